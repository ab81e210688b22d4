import { KpkeysError, MULBERRY32, Random } from "@kpkeys/core";
import { PageAllocator, Vmalloc } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { NO_WORK } from "./benchmark.js";
import type { KernelWork, MicroBenchmark } from "./benchmark.js";

/** Pages of a block that the contiguous hint joins: 64 KiB. */
const BLOCK = 16;

/** Operations of a run of equal ones, after one that is not counted, in which tables are still missing. */
const LOOPS = 16;

/** Operations of the run with random sizes, and the largest size in pages, as `random_size_alloc_test` has it. */
const RANDOM_LOOPS = 512;
const RANDOM_PAGES = 100;

/** Reserve, map, unmap, release: each a walk of its own under its own lock. */
const RANGE_STEPS = 4;

/** vm_map_ram takes addresses from a block of the CPU's own, so that mapping and unmapping remain. */
const RAM_STEPS = 2;

/** vmalloc and vfree of each size in turn. */
function vmallocLoop(
  name: string,
  operation: string,
  work: KernelWork,
  sizes: readonly number[],
  huge: boolean,
): MicroBenchmark {
  return {
    name,
    operation,
    work,
    prepare(machine) {
      const vmalloc = machine.get(Vmalloc);
      const once = (pages: number): void => {
        vmalloc.free(mapped(vmalloc.alloc(pages, huge)));
      };
      once(Math.max(...sizes));
      return {
        operations: sizes.length,
        run() {
          for (const pages of sizes) once(pages);
        },
        cleanUp: () => undefined,
      };
    },
  };
}

function fixSize(pages: number, huge: boolean): MicroBenchmark {
  const memory = huge ? { blocks: pages / BLOCK } : { pages };
  return vmallocLoop(
    `fix_size p:${pages} h:${huge ? 1 : 0}`,
    `vmalloc and vfree of ${pages} ${pages === 1 ? "page" : "pages"}${huge ? " in blocks of 16" : ""}`,
    { ...NO_WORK, rangeSteps: RANGE_STEPS, ...memory },
    Array.from({ length: LOOPS }, () => pages),
    huge,
  );
}

/** The same sizes for every machine. */
function randomSizes(): number[] {
  const random = new Random(1, MULBERRY32);
  return Array.from({ length: RANDOM_LOOPS }, () => 1 + Math.floor(random.fraction() * RANDOM_PAGES));
}

function randomSize(): MicroBenchmark {
  const sizes = randomSizes();
  const mean = sizes.reduce((sum, pages) => sum + pages, 0) / sizes.length;
  const work = { ...NO_WORK, rangeSteps: RANGE_STEPS, pages: mean };
  return vmallocLoop("random_size p:1 h:0", "vmalloc and vfree of 1 to 100 pages", work, sizes, false);
}

function vmMapRam(): MicroBenchmark {
  return {
    name: "vm_map_ram p:1 h:0",
    operation: "vm_map_ram and vm_unmap_ram of 1 page",
    work: { ...NO_WORK, rangeSteps: RAM_STEPS },
    prepare(machine) {
      const vmalloc = machine.get(Vmalloc);
      const frames = [takePage(machine)];
      const once = (): void => {
        vmalloc.unmapRam(mapped(vmalloc.mapRam(frames)));
      };
      once();
      return {
        operations: LOOPS,
        run() {
          for (let i = 0; i < LOOPS; i++) once();
        },
        cleanUp() {
          for (const frame of frames) machine.get(PageAllocator).free(frame, 0);
        },
      };
    },
  };
}

function takePage(machine: Machine): Pfn {
  return mapped(machine.get(PageAllocator).alloc(0));
}

/** Refuses an allocation that failed. */
function mapped<Page>(page: Page | undefined): Page {
  if (page !== undefined) return page;
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "no memory left for a benchmark", {
    expected: "a machine with more memory",
  });
}

/** The tests of `lib/test_vmalloc.c` that RFC v5 ran. */
export const TEST_VMALLOC: readonly MicroBenchmark[] = [
  ...[1, 4, 16, 64, 256].map((pages) => fixSize(pages, false)),
  ...[16, 64, 256].map((pages) => fixSize(pages, true)),
  randomSize(),
  vmMapRam(),
];
