import { overriding, provide, resolve } from "@kpkeys/core";
import {
  CpuFactory,
  EarlyMemory,
  Errno,
  ExtensionPoints,
  FAULT,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  PgtableArch,
  StaticTablePages,
  toAsid,
  toLevel,
  toPfn,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Cpu, EntryCursor, Observer, TableAllocator } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HighBit } from "../../../../examples/odd-arch/src/format.js";
import { KernelImage } from "../../src/boot/image.js";
import { LeafRuns } from "../../src/mm/leaf-runs.js";
import { Sections } from "../../src/mm/sections.js";
import { TlbFlush } from "../../src/mm/tlb-flush.js";
import type { Machine } from "../../src/machine/machine.js";
import { pgtableVariant, variant } from "../support/arches.js";
import {
  boot,
  entryOf,
  ENTRIES,
  frameOf,
  kernelService,
  PAGE_SHIFT,
  record,
  staleTranslations,
} from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

const POINTS = ["tablePageAllocated", "tablePageCtor", "tablePageDtor", "tablePageFreeing", "earlyTablePage"] as const;

/** A machine with two features that record their calls. The second rejects a table page while `rejecting.on` is set. */
function bootRejecting(point: "tablePageAllocated" | "tablePageCtor"): {
  machine: Machine;
  calls: unknown[];
  rejecting: { on: boolean };
} {
  const calls: unknown[] = [];
  const rejecting = { on: false };
  const attach = (points: ExtensionPoints): void => {
    for (const feature of [1, 2]) {
      const note =
        (name: string, rejects: boolean): (() => 0 | Errno) =>
        () => {
          calls.push([name, feature]);
          return rejects && rejecting.on && feature === 2 ? Errno.ENOMEM : 0;
        };
      points.on("tablePageAllocated", note("allocated", point === "tablePageAllocated"));
      points.on("tablePageCtor", note("ctor", point === "tablePageCtor"));
      points.on("tablePageDtor", note("dtor", false));
      points.on("tablePageFreeing", note("freeing", false));
    }
  };
  const machine = boot({}, { attach });
  calls.length = 0;
  return { machine, calls, rejecting };
}

describe("a table page from the buddy allocator", () => {
  it("is reported to features at allocation, construction, destruction and freeing, with its level and source", () => {
    const calls: Call[] = [];
    const machine = boot(
      {},
      {
        attach: record(POINTS, calls),
      },
    );
    const tables = machine.get(PageTables);
    calls.length = 0;
    const made = (["pgd", "pmd", "pte"] as const).map(
      (name, level) => [name, tables.allocTable(level === 1 ? "kernel" : "user", toLevel(level))!] as const,
    );
    expect(calls).toEqual(
      made.flatMap(([name, pfn]) => [
        ["tablePageAllocated", pfn],
        ["tablePageCtor", pfn, name, name === "pmd" ? "kernel" : "user"],
      ]),
    );
    calls.length = 0;
    for (const [, pfn] of made) tables.freeTable(pfn);
    expect(calls).toEqual(
      made.flatMap(([name, pfn]) => [
        ["tablePageDtor", pfn, name, name === "pmd" ? "kernel" : "user"],
        ["tablePageFreeing", pfn],
      ]),
    );
  });

  it("has the last level by default", () => {
    const calls: Call[] = [];
    const machine = boot(
      {},
      {
        attach: record(["tablePageCtor"], calls),
      },
    );
    machine.get(PageTables).allocTable("user");
    expect(calls.at(-1)!.slice(2)).toEqual(["pte", "user"]);
  });

  it.each(["tablePageAllocated", "tablePageCtor"] as const)(
    "is freed if %s rejects it, and features that accepted it are notified",
    (point) => {
      const { machine, calls, rejecting } = bootRejecting(point);
      const tables = machine.get(PageTables);
      const { freePages } = machine.get(PageAllocator);
      const before = tables.counters.tablesAllocated;
      rejecting.on = true;
      expect(tables.allocTable("kernel")).toBeUndefined();
      const undone =
        point === "tablePageAllocated"
          ? [["freeing", 1]]
          : [
              ["ctor", 1],
              ["ctor", 2],
              ["dtor", 1],
              ["freeing", 1],
              ["freeing", 2],
            ];
      expect(calls).toEqual([["allocated", 1], ["allocated", 2], ...undone]);
      expect([machine.get(PageAllocator).freePages, tables.counters.tablesAllocated]).toEqual([freePages, before]);
    },
  );

  it("is not allocated without free memory, and no feature is notified", () => {
    const calls: Call[] = [];
    const machine = boot(
      {},
      {
        attach: record(POINTS, calls),
      },
    );
    while (machine.get(PageAllocator).alloc(0) !== undefined);
    calls.length = 0;
    expect([machine.get(PageTables).allocTable("user"), calls]).toEqual([undefined, []]);
  });

  it("is reported to observers at allocation and freeing, with its source", () => {
    const seen: unknown[][] = [];
    const observer: Observer = { tablePage: (...args) => seen.push(args) };
    const machine = boot({}, { observer });
    const tables = machine.get(PageTables);
    expect(seen[0]).toEqual([tables.root, "static", true]);
    expect(new Set(seen.map(([, source]) => source))).toEqual(new Set(["static", "early", "vmemmap", "kernel"]));
    seen.length = 0;
    const pfn = tables.allocTable("user")!;
    tables.freeTable(pfn);
    expect(seen).toEqual([
      [pfn, "user", true],
      [pfn, "user", false],
    ]);
    expect([
      tables.sourceOf(tables.root),
      tables.sourceOf(toPfn(-5)),
      tables.sourceOf(toPfn(machine.memory.endPfn + 9)),
    ]).toEqual(["static", undefined, undefined]);
  });
});

describe("table pages of boot", () => {
  it("come from memblock and the image, have a source, and early ones are reported to features", () => {
    const calls: Call[] = [];
    const machine = boot(
      { memory: [{ bytes: 128 * 2 ** 20 }] },
      {
        attach: record(["earlyTablePage"], calls),
      },
    );
    const tables = machine.get(PageTables);
    const image = kernelService(machine, StaticTablePages, KernelImage);
    for (const { pfn, source } of machine.scan()) {
      expect(tables.sourceOf(pfn)).toBe(source);
      expect(image.contains(pfn)).toBe(source === "static");
    }
    const counts: Record<string, number> = {};
    for (const { source } of machine.scan()) counts[source] = (counts[source] ?? 0) + 1;
    // Linear map: one table for each 32 MiB and one above them; the topmost and the one above are static. The image has two tables and
    // shares one with the fixmap. The vmalloc area has 128 tables.
    expect(counts).toEqual({ static: 1 + 2 + 2 + 1, early: 3, vmemmap: 1, kernel: 128 });
    expect(calls.filter(([, , source]) => source === "early")).toHaveLength(3);
    expect(calls.filter(([, , source]) => source === "vmemmap")).toHaveLength(1);
    expect(machine.get(LinearMap).stats().tables).toBe(5);
  });

  it("may come from a feature's allocator, which replaces the buddy allocator and its handlers", () => {
    const calls: Call[] = [];
    const given: number[] = [];
    const freed: number[] = [];
    const machine = boot(
      {},
      {
        attach(points, container) {
          record(["tablePageAllocated", "tablePageFreeing", "tablePageCtor", "tablePageDtor"], calls)(points);
          const early: number[] = [];
          const allocator: TableAllocator = {
            alloc: () => toPfn((given.push(resolve(container, PageAllocator).alloc(0)!), given.at(-1)!)),
            free: (pfn) => void freed.push(pfn),
            allocEarly(source) {
              if (source !== "vmemmap") return undefined;
              early.push(resolve(container, EarlyMemory).alloc(1, 1)!);
              return toPfn(early.at(-1)!);
            },
            prepareSplit: () => 0,
            readyForSplit: () => true,
          };
          points.setTableAllocator(allocator);
        },
      },
    );
    calls.length = 0;
    const tables = machine.get(PageTables);
    const pfn = tables.allocTable("kernel")!;
    expect([pfn, tables.sourceOf(pfn)]).toEqual([given.at(-1), "kernel"]);
    tables.freeTable(pfn);
    expect([freed.at(-1), calls.map(([point]) => point)]).toEqual([pfn, ["tablePageCtor", "tablePageDtor"]]);
  });
});

describe.each([
  ["image", "linear"],
  ["fixmap", "linear"],
  ["image", "fixmap"],
  ["fixmap", "fixmap"],
] as const)(
  "with the root written through the %s and early tables through the %s",
  (rootTableAddress, earlyTableAddress) => {
    const arch = pgtableVariant({ rootTableAddress, earlyTableAddress } satisfies Partial<PgtableArch>);

    it("makes the same translations and leaves the fixmap slot empty", () => {
      const memory = [{ bytes: 128 * 2 ** 20 }];
      const machine = boot({ memory }, { arch });
      const plain = boot({ memory });
      expect(machine.digestTranslations()).toBe(plain.digestTranslations());
      const process = new Process(machine);
      process.mmap(BASE, 1);
      expect(process.touch(BASE, 2)).toBe(1);
      const slot = Number(0xffffffffff000000n >> 14n);
      expect([frameOf(machine, slot), staleTranslations(machine)]).toEqual([-1, 0]);
      for (const pfn of [machine.memory.firstPfn, machine.memory.endPfn - 1])
        expect(frameOf(machine, Number(0xffffc00000000000n >> 14n) + pfn - machine.memory.firstPfn)).toBe(pfn);
    });

    it("reads and writes root entries; only a fixmap access to the root costs an invalidation", () => {
      const machine = boot({}, { arch });
      const tables = machine.get(PageTables);
      const other = tables.allocTable("kernel", toLevel(0))!;
      const cost = (table: number): number => {
        const before = machine.counters();
        tables.setPgd(toPfn(table), 77, { high: 3, low: 4 });
        expect(machine.memory.readEntry(toPfn(table), 77)).toEqual({ high: 3, low: 4 });
        expect(tables.read(toPfn(table), 77)).toEqual({ high: 3, low: 4 });
        const after = machine.counters();
        expect(after.writesBySetter.set_pgd - before.writesBySetter.set_pgd).toBe(1);
        return after.tlbInvalidations - before.tlbInvalidations;
      };
      expect([cost(tables.root), cost(other)]).toEqual([rootTableAddress === "fixmap" ? 1 : 0, 0]);
    });

    it("stores a run of root entries", () => {
      const machine = boot({}, { arch });
      const tables = machine.get(PageTables);
      tables.setPtes(tables.root, 40, { high: 1, low: (2 ** 32 - 2 ** 14) | 1 }, 3);
      expect([40, 41, 42, 43].map((i) => machine.memory.readEntry(tables.root, i))).toEqual([
        { high: 1, low: (2 ** 32 - 2 ** 14) | 1 },
        { high: 2, low: 1 },
        { high: 2, low: 16385 },
        { high: 0, low: 0 },
      ]);
    });
  },
);

describe("runs of entries", () => {
  it("consist of present entries with consecutive frames and equal attributes", () => {
    const machine = boot();
    const tables = machine.get(PageTables);
    const runsOf = new LeafRuns(tables, machine.get(PageTableFormat));
    const table = tables.allocTable("kernel")!;
    const piece = fc.record({
      gap: fc.nat(2),
      pfn: fc.oneof(fc.nat(9), fc.integer({ min: 2 ** 18 - 5, max: 2 ** 18 + 5 })),
      bits: fc.constantFrom(HighBit.VALID | HighBit.LEAF, HighBit.LEAF | HighBit.KEPT, HighBit.KEPT),
      count: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.nat(5), (pieces, from) => {
        const entries: (readonly [number, number])[] = [];
        for (const { gap, pfn, bits, count } of pieces) {
          for (let i = 0; i < gap; i++) entries.push([0, 0]);
          for (let i = 0; i < count; i++)
            entries.push([bits | Math.floor((pfn + i) / 2 ** 18), (pfn + i) << PAGE_SHIFT]);
        }
        entries.forEach(([high, low], i) => {
          machine.memory.writeEntry(table, i, { high, low });
        });
        const present = entries
          .map(([high, low], i) => ({ i, value: BigInt(high) * 2n ** 32n + BigInt(low >>> 0) }))
          .filter(({ i, value }) => i >= from && value !== 0n);
        const expected: [number, number, number, number][] = [];
        present.forEach(({ i, value }, k) => {
          const before = present[k - 1];
          if (before?.i === i - 1 && before.value + 16384n === value) expected.at(-1)![1]++;
          else expected.push([i, 1, ...entries[i]!]);
        });
        const runs: number[][] = [];
        const index = Math.min(from, entries.length);
        const first = { table, index } as EntryCursor;
        runsOf.each(first, entries.length - index, (at, count, { high, low }) => runs.push([at, count, high, low]));
        expect(runs).toEqual(expected);
      }),
    );
  });
});

describe("operations and locks", () => {
  it("notify features of the outermost operation, also if it throws, and of locks; unlocking in reverse order", () => {
    const log: unknown[] = [];
    let sections: Sections | undefined;
    boot(
      {},
      {
        attach(points) {
          for (const feature of [1, 2]) {
            points.on("operationEnter", () => void log.push(["enter", feature]));
            points.on("operationExit", () => void log.push(["exit", feature]));
            points.on("tableLocked", (table) => void log.push(["lock", table, feature]));
            points.on("tableUnlocking", (table) => void log.push(["unlock", table, feature]));
          }
          sections = new Sections(points);
        },
      },
    );
    log.length = 0;
    const inner = (value: number): number => sections!.operation(() => value + 1);
    expect(sections!.operation(() => inner(3) + inner(3))).toBe(8);
    const around = [
      ["enter", 1],
      ["enter", 2],
      ["exit", 1],
      ["exit", 2],
    ];
    expect(log).toEqual(around);
    log.length = 0;
    const failure = new Error("of the operation");
    expect(() =>
      sections!.operation(() => {
        throw failure;
      }),
    ).toThrow(failure);
    expect([inner(1), log]).toEqual([2, [...around, ...around]]);
    log.length = 0;
    sections!.lock(toPfn(7));
    sections!.unlock(toPfn(7));
    expect(log).toEqual([
      ["lock", 7, 1],
      ["lock", 7, 2],
      ["unlock", 7, 2],
      ["unlock", 7, 1],
    ]);
  });
});

describe("an invalidation", () => {
  it("of a page, a range or an address space runs on every CPU and counts once", () => {
    const seen: unknown[] = [];
    const observer: Observer = { tlbFlush: (cpu, high, low, pages) => seen.push([cpu, high, low, pages]) };
    const machine = boot({ cpus: 2 }, { observer });
    seen.length = 0;
    const tlb = new TlbFlush(machine.cpus, machine.get(PageTableFormat));
    tlb.range(toVpn(2 ** 18 + 1), 1);
    tlb.range(toVpn(2 ** 18 + 1), 3);
    tlb.addressSpace(toAsid(5));
    expect(seen).toEqual([
      [0, 1, 0x4000, 1],
      [1, 1, 0x4000, 1],
      [0, 1, 0x4000, 3],
      [1, 1, 0x4000, 3],
      [0, 0, 0, -1],
      [1, 0, 0, -1],
    ]);
    expect(tlb.invalidations).toBe(3);
  });
});

it("makes a missing table for kernel addresses once, with the lock of the table above", () => {
  const calls: Call[] = [];
  const machine = boot(
    {},
    {
      attach: record(["tableLocked", "tableUnlocking"], calls),
    },
  );
  calls.length = 0;
  const page = machine.get(Vmalloc).alloc(2)!;
  const { table } = entryOf(machine, page);
  const above = calls[0]![1];
  expect(calls).toEqual([
    ["tableLocked", above],
    ["tableUnlocking", above],
  ]);
  expect([above === table, machine.get(PageTables).sourceOf(toPfn(table))]).toEqual([false, "kernel"]);
  machine.get(Vmalloc).alloc(ENTRIES / 4);
  expect(calls).toHaveLength(2);
});

it.each([true, false])("a store through the fixmap that faults leaves its slot empty: repaired %s", (repairs) => {
  const slot = Number(0xffffffffff000000n >> 14n);
  let faults = 0;
  const arch = variant((container) => {
    const factory = resolve(container, CpuFactory);
    provide(container, PgtableArch, { ...resolve(container, PgtableArch), rootTableAddress: "fixmap" });
    provide(container, CpuFactory, {
      create(id) {
        const cpu = factory.create(id);
        const store64: Cpu["store64"] = (high, low, ...value) =>
          pageOf({ high, low }, 14) === slot && faults-- > 0 ? FAULT : cpu.store64(high, low, ...value);
        return overriding(cpu, { store64 });
      },
    });
  });
  const during: number[] = [];
  const attach = (points: ExtensionPoints): void => {
    points.on("kernelFault", () => (during.push(frameOf(machine, slot)), repairs));
  };
  const machine = boot({}, { arch, attach });
  const tables = machine.get(PageTables);
  faults = 1;
  const set = (): void => {
    tables.setPgd(tables.root, 77, { high: 3, low: 4 });
  };
  if (repairs) set();
  else expect(set).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
  expect([during, frameOf(machine, slot), staleTranslations(machine)]).toEqual([[-1], -1, 0]);
  expect(machine.memory.readEntry(tables.root, 77)).toEqual(repairs ? { high: 3, low: 4 } : { high: 0, low: 0 });
});
