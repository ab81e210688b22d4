import { KpkeysError, MULBERRY32, Random } from "@kpkeys/core";
import { PageAllocator, Vmalloc } from "@kpkeys/core/contracts";
import { NO_WORK } from "./benchmark.js";
import type { KernelWork, MicroBenchmark } from "./benchmark.js";

/** Pages of a block with the contiguous hint: 64 KiB. */
const BLOCK = 16;

/** Operations of a run with equal sizes. One uncounted operation before them allocates the missing tables. */
const LOOPS = 16;

/** Operations of the run with random sizes, and its largest size in pages (`random_size_alloc_test` of `lib/test_vmalloc.c`). */
const RANDOM_LOOPS = 512;
const RANDOM_PAGES = 100;

/** Reserve, map, unmap, release: each has its own walk and lock. */
const RANGE_STEPS = 4;

/** Map and unmap: vm_map_ram gets addresses from a block of the CPU without a step for each. */
const RAM_STEPS = 2;

/** A benchmark of one vmalloc and vfree for each size. */
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
        vmalloc.free(allocated(vmalloc.alloc(pages, { huge })));
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

/** Random sizes, the same for every machine. */
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
      const allocator = machine.get(PageAllocator);
      const frame = allocated(allocator.alloc(0));
      const once = (): void => {
        vmalloc.unmapRam(allocated(vmalloc.mapRam([frame])));
      };
      once();
      return {
        operations: LOOPS,
        run() {
          for (let i = 0; i < LOOPS; i++) once();
        },
        cleanUp() {
          allocator.free(frame, 0);
        },
      };
    },
  };
}

/** Checks the result of an allocation. @throws KpkeysError ERR_OUT_OF_MEMORY for `undefined` */
function allocated<Page>(page: Page | undefined): Page {
  if (page !== undefined) return page;
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "no memory left for a benchmark", {
    expected: "a machine with more memory",
  });
}

/** The tests of `lib/test_vmalloc.c` in the overhead table of RFC v5. */
export const TEST_VMALLOC: readonly MicroBenchmark[] = [
  ...[1, 4, 16, 64, 256].map((pages) => fixSize(pages, false)),
  ...[16, 64, 256].map((pages) => fixSize(pages, true)),
  randomSize(),
  vmMapRam(),
];
