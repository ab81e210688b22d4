import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, lazily, resolve } from "@kpkeys/core";
import {
  AddressSpaces,
  ExtensionPoints,
  Gfp,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Prot,
  SetMemory,
  Tasks,
  toPfn,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { InitPhase, LinearMapStats, Pfn, Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, runSuites } from "@kpkeys/kunit-suite";
import { BlockAllocatorStats, pgtablesHardening, PgtablesWarnings } from "@kpkeys/pgtables-hardening";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES, hardened } from "./machines.js";

const PGTABLES = 1;
const SPLIT = Gfp.KERNEL | Gfp.PGTABLE_SPLIT;
const GIB = 2 ** 30;

/** A machine whose tables come from the block allocator. */
function withBlocks(arch: string, spec: Partial<MachineSpec> = {}, pgtables: PluginOptions = {}): Machine {
  return hardened(arch, { tagging: "block-allocator", ...pgtables }, { kernel: { linearMap: "block" }, ...spec });
}

const statsOf = (machine: Machine): BlockAllocatorStats => machine.get(BlockAllocatorStats);
const warningsOf = (machine: Machine): PgtablesWarnings => machine.get(PgtablesWarnings);

function gapsOf(machine: Machine): string[] {
  return coverageOf(machine, machine.scan()).gaps.map(({ source, mapping }) => `${source} ${mapping}`);
}

/** The key in the leaf that maps a page in the linear map. */
function keyOf(machine: Machine, pfn: number): number {
  const linearMap = machine.get(LinearMap);
  const format = machine.get(PageTableFormat);
  let key = -1;
  machine.cpus.current.mmu.walk(
    linearMap.address(toPfn(pfn)).high,
    linearMap.address(toPfn(pfn)).low,
    ({ type, high, low }) => {
      if (type === "leaf") key = format.entryKeys!.pkeyOf(high, low);
    },
  );
  return key;
}

/** The level of the leaf that maps a page in the linear map, 0 being the top. */
function leafLevelOf(machine: Machine, pfn: number): number {
  const linearMap = machine.get(LinearMap);
  let found = -1;
  machine.cpus.current.mmu.walk(
    linearMap.address(toPfn(pfn)).high,
    linearMap.address(toPfn(pfn)).low,
    ({ type, level }) => {
      if (type === "leaf") found = level;
    },
  );
  return found;
}

/** Takes all memory in blocks of an order. @returns their first pages */
function takeAll(pages: PageAllocator, order: number): number[] {
  const taken: number[] = [];
  for (let pfn = pages.alloc(order); pfn !== undefined; pfn = pages.alloc(order)) taken.push(pfn);
  return taken;
}

/** Runs a process that touches so many pages. @returns a function that ends it */
function runProcess(machine: Machine, pages: number): () => void {
  const spaces = machine.get(AddressSpaces);
  const task = machine.get(Tasks).create(spaces.create());
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  expect(spaces.mmap(task.mm!, toVpn(0x1000), pages, Prot.READ | Prot.WRITE, flags)).toBe(0);
  return () => {
    machine.get(Tasks).exit(task);
  };
}

describe.each(ARCHES)("the block allocator on %s", (arch) => {
  it.each([
    ["pte", 128 * 2 ** 20],
    ["block", 128 * 2 ** 20],
    ["block", 4 * GIB],
  ] as const)("protects every table of a linear map of kind %s, %i bytes large", (linearMap, bytes) => {
    const machine = withBlocks(arch, { kernel: { linearMap }, memory: [{ bytes }] });
    const end = runProcess(machine, 3000);
    machine.get(Vmalloc).alloc(5);
    expect(gapsOf(machine)).toEqual([]);
    const { pages, keyed, readOnly } = coverageOf(machine, machine.scan());
    expect(keyed + readOnly).toBe(pages);
    end();
    expect(gapsOf(machine)).toEqual([]);
    expect(warningsOf(machine)).toEqual([]);
  });

  it("needs as many tables for processes as page by page on a linear map of pages, and a fraction for the linear map", () => {
    const [blocks, single] = [withBlocks(arch), hardened(arch)];
    for (const machine of [blocks, single]) runProcess(machine, 5000);
    const [few, many] = [blocks, single].map((machine) => ({
      user: coverageOf(machine, machine.scan()).bySource.user.pages,
      ...machine.get(LinearMap).stats(),
    }));
    expect(few!.user).toBe(many!.user);
    expect(few!.tables).toBeLessThan(many!.tables / 4);
    expect(few!.tlbReach).toBeGreaterThan(20 * many!.tlbReach);
  });

  it("is what blocks need: page by page, the table that a split takes would need a split to get its key", () => {
    // x86 needs kernel tables before it has booted.
    const refused = arch === "x86-pks" ? { code: "ERR_SPEC", where: "phase mem_init" } : { code: "ERR_OUT_OF_MEMORY" };
    expect(() => {
      runProcess(hardened(arch, {}, { kernel: { linearMap: "block" } }), 1);
    }).toThrow(expect.objectContaining(refused) as Error);
  });

  it("misses the tables of the vmemmap, as v6 does, by its policy alone", () => {
    expect(new Set(gapsOf(withBlocks(arch, {}, { vmemmap: false })))).toEqual(new Set(["vmemmap linear"]));
    expect(gapsOf(withBlocks(arch))).toEqual([]);
  });

  it("lets the suite pass and blocks every attack", () => {
    const machine = withBlocks(arch);
    const { tried, blocked } = attack(machine, machine.scan());
    expect([tried > 0, blocked]).toEqual([true, tried]);
    for (const { cases } of runSuites(machine)) for (const { status } of cases) expect(status).not.toBe("failed");
  });

  it("switches nothing and serves from the buddy allocator on a CPU without kernel pkeys", () => {
    const machine = withBlocks(arch, { options: { [arch]: { pkeys: false } } });
    runProcess(machine, 100)();
    expect([statsOf(machine).cached, machine.counters().barriers, machine.counters().setMemoryPkeyCalls]).toEqual([
      0, 0, 0,
    ]);
  });

  it("charges each user table to a memory cgroup until it is freed", () => {
    const machine = withBlocks(arch);
    const end = runProcess(machine, 2000);
    const live = (): number => statsOf(machine).charged - statsOf(machine).uncharged;
    expect(live()).toBe(coverageOf(machine, machine.scan()).bySource.user.pages);
    end();
    expect(live()).toBe(0);
  });

  it("gives cached pages back when memory is short, without the key, and keeps 16", () => {
    const machine = withBlocks(arch, { memory: [{ bytes: 64 * 2 ** 20 }] });
    const pages = machine.get(PageAllocator);
    expect(statsOf(machine).cached).toBeGreaterThan(256);
    for (const pfn of takeAll(pages, 0)) expect(keyOf(machine, pfn)).toBe(0);
    expect(statsOf(machine).cached).toBeLessThanOrEqual(16);
    expect(warningsOf(machine)).toEqual([]);
    expect(gapsOf(machine)).toEqual([]);
  });
});

/** Operations on a machine's memory, in any order. */
const steps = fc.array(
  fc.record({
    op: fc.constantFrom("tables", "tables", "free", "split", "take", "give", "give", "reclaim"),
    which: fc.nat(0xffff),
    order: fc.constantFrom(0, 1, 2, 2, 3, 4, 4, 9),
    count: fc.integer({ min: 1, max: 30 }),
  }),
  { minLength: 5, maxLength: 60 },
);

describe.each(ARCHES)("random operations on memory on %s", (arch) => {
  it("a refill splits at most a 1 GiB block and a 2 MiB block of it and never comes back to itself", () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const machine = withBlocks(arch, { memory: [{ bytes: 4 * GIB }] });
        const pages = machine.get(PageAllocator);
        const tables = machine.get(PageTables);
        const linearMap = machine.get(LinearMap);
        const setMemory = machine.get(SetMemory);
        const setMemoryPkey = setMemory.setMemoryPkey.bind(setMemory);
        let nested = 0;
        setMemory.setMemoryPkey = (page, count, pkey) => {
          const before = linearMap.stats().splits;
          expect(nested++).toBe(0);
          const errno = setMemoryPkey(page, count, pkey);
          nested--;
          expect(linearMap.stats().splits - before).toBeLessThanOrEqual(2);
          return errno;
        };

        // Short of memory from the start: what comes back are small runs, most of them in blocks not split yet.
        const held = takeAll(pages, 10);
        for (let order = 9; order >= 2; order--) takeAll(pages, order);
        const runs: (readonly [Pfn, number])[] = [];
        const used: number[] = [];
        for (const { op, which, order, count } of todo) {
          if (op === "tables") {
            for (let i = 0; i < count; i++) {
              const pfn = tables.allocTable("user");
              if (pfn !== undefined) used.push(pfn);
            }
          } else if (op === "free") {
            for (const pfn of used.splice(which % (used.length + 1), count)) tables.freeTable(toPfn(pfn));
          } else if (op === "split") {
            const pfn = held[which % held.length]! + (which % 1024);
            if (setMemory.setDirectMapInvalid(toPfn(pfn)) === 0)
              expect(setMemory.setDirectMapDefault(toPfn(pfn))).toBe(0);
          } else if (op === "take") {
            const pfn = pages.alloc(order);
            if (pfn !== undefined) runs.push([pfn, order]);
          } else if (op === "give") {
            const run = runs.pop();
            if (run !== undefined) pages.free(...run);
            else pages.free(toPfn(held.splice(which % held.length, 1)[0]!), order);
          } else runs.push(...takeAll(pages, 9).map((pfn) => [toPfn(pfn), 9] as const));
        }
        for (const pfn of used) expect(keyOf(machine, pfn)).toBe(PGTABLES);
        for (const [pfn] of runs) expect(keyOf(machine, pfn)).toBe(0);
        expect(gapsOf(machine)).toEqual([]);
        expect(warningsOf(machine)).toEqual([]);
      }),
      { numRuns: runs(15) },
    );
  });

  it("the dearest refill there is, four pages out of a 1 GiB block, spends two and gains two", () => {
    const machine = withBlocks(arch, { memory: [{ bytes: 4 * GIB }] });
    const pages = machine.get(PageAllocator);
    const stats = (): LinearMapStats => machine.get(LinearMap).stats();
    const held = takeAll(pages, 10);
    for (let order = 9; order >= 2; order--) takeAll(pages, order);
    while (statsOf(machine).cached > 4) machine.get(PageTables).allocTable("user");
    const { splits, leaves } = stats();

    pages.free(toPfn(held.find((pfn) => leafLevelOf(machine, pfn) === machine.levelNames.indexOf("pud"))!), 2);
    const pfn = machine.get(PageTables).allocTable("user")!;
    expect(keyOf(machine, pfn)).toBe(PGTABLES);
    expect([stats().splits, stats().leaves[0]!.count]).toEqual([splits + 2, leaves[0]!.count - 1]);
    expect(statsOf(machine).refills.get(2)).toBe(1);
    expect(statsOf(machine).cached).toBe(4 - 2 + 4 - 1);
  });
});

/** Does something to the machine's memory in a phase of boot, before or after the hardening acts in it. */
function meddler(id: string, phase: InitPhase, act: (parts: Meddling) => void): Plugin {
  return {
    id,
    kind: "feature",
    description: "a machine whose memory is not as one would wish",
    contract: 2,
    setup(container) {
      const points = resolve(container, ExtensionPoints);
      const pages = lazily(container, PageAllocator);
      const vmalloc = lazily(container, Vmalloc);
      points.on("initPhase", (begun) => {
        if (begun === phase) act({ pages: pages(), vmalloc, points });
      });
    },
  };
}

/** The services that a hostile feature changes. */
interface Meddling {
  readonly pages: PageAllocator;
  readonly vmalloc: () => Vmalloc;
  readonly points: ExtensionPoints;
}

/** Boots with other features around the hardening, in their order. */
function bootBetween(arch: string, before: Plugin, after: readonly Plugin[]): Machine {
  const plugins = [before, pgtablesHardening, ...after];
  return buildMachine(
    {
      ...DEFAULT_SPEC,
      arch,
      memory: [{ bytes: 128 * 2 ** 20 }],
      kernel: { linearMap: "block" },
      features: plugins.map(({ id }) => id),
      options: { pgtables: { tagging: "block-allocator" } },
    },
    createPluginRegistry([arm64Poe, x86Pks, ...plugins]),
  );
}

/** Takes all pages of the largest blocks, one of which is left, or a run of it. @returns a function that frees them */
function leaveRun(pages: PageAllocator, order: number): () => void {
  const blocks = takeAll(pages, 10);
  for (let small = 9; small >= 0; small--) takeAll(pages, small);
  const last = blocks.pop()!;
  if (order >= 0) pages.free(toPfn(last), order);
  return () => {
    for (const pfn of blocks) pages.free(toPfn(pfn), 10);
  };
}

describe.each(ARCHES)("a gap of v6 on %s is there by what makes it, and by nothing else:", (arch) => {
  it.each([
    [2, ["kernel linear"]],
    [9, []],
  ])("a second early region; the first one has 2^%i pages", (order, gaps) => {
    let giveBack = (): void => undefined;
    const machine = bootBetween(
      arch,
      meddler("fragmented", "mem_init", ({ pages }) => (giveBack = leaveRun(pages, order))),
      [
        meddler("released", "mem_init", () => {
          giveBack();
        }),
        meddler("stacks", "tasks", ({ vmalloc }) => {
          expect(vmalloc().alloc(2)).toBeGreaterThan(0);
        }),
      ],
    );
    expect([...new Set(gapsOf(machine))]).toEqual(gaps);
    expect(warningsOf(machine).some((text) => text.includes("second early region"))).toBe(gaps.length > 0);
  });

  it.each([
    [1, true],
    [2, false],
  ])("an exhausted reserve when boot protects early tables; 2^%i pages are free", (order, open) => {
    let giveBack = (): void => undefined;
    const machine = bootBetween(
      arch,
      meddler("exhausted", "smp", ({ pages, points }) => {
        giveBack = leaveRun(pages, order);
        const allocator = points.tableAllocator!;
        // The pool is drained as ordinary tables and other splits drain it, to the half of the reserve that is for refills.
        while (allocator.readyForSplit()) allocator.alloc("kernel", SPLIT);
        allocator.alloc("kernel", SPLIT);
      }),
      [
        meddler("released", "system_features", () => {
          giveBack();
        }),
      ],
    );
    const gaps = gapsOf(machine);
    expect([gaps.length > 0, warningsOf(machine).length > 0]).toEqual([open, open]);
    for (const gap of gaps) expect(gap).toMatch(/^(early|vmemmap) linear$/);
  });
});
