import { overriding, provide, resolve } from "@kpkeys/core";
import {
  CpuFactory,
  ExtensionPoints,
  FAULT,
  LazyMmu,
  PageAllocator,
  PageTableFormat,
  PageTables,
  SETTERS,
  toLevel,
  toPfn,
  toVpn,
  NOT_ENTERED,
} from "@kpkeys/core/contracts";
import type { Cpu, FaultReport, Guard, KpkeysState, Pfn, Setter, Words } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bit, HighBit, INDEX_BITS } from "../../../../examples/odd-arch/src/format.js";
import type { Machine } from "../../src/machine/machine.js";
import { byteOrders, pgtableVariant, variant } from "../support/arches.js";
import { boot, ENTRIES, entryOf, PAGE_SHIFT } from "../support/machine.js";

/** A leaf of the example architecture that is young, dirty and writable, without an address. */
const { WRITE, REFERENCED, CHANGED } = Bit;
const LEAF_HIGH = HighBit.VALID | HighBit.LEAF;
const LEAF_LOW = WRITE | REFERENCED | CHANGED;
const TABLE: Words = { high: HighBit.VALID | 1, low: INDEX_BITS };

/** An unlinked table page. */
class Table {
  readonly machine: Machine;
  readonly tables: PageTables;
  readonly pfn: Pfn;

  constructor(machine: Machine = boot()) {
    this.machine = machine;
    this.tables = machine.get(PageTables);
    this.pfn = this.tables.allocTable("kernel")!;
  }

  /** An entry, read from physical memory. */
  at(index: number): [high: number, low: number] {
    const { memory } = this.machine;
    const { high, low } = memory.readEntry(toPfn(this.pfn), index);
    return [high, low];
  }

  put(index: number, high: number, low: number): void {
    this.machine.memory.writeEntry(toPfn(this.pfn), index, { high, low });
  }

  /** Indices of all non-empty entries. */
  used(): number[] {
    return Array.from({ length: ENTRIES }, (_, i) => i).filter((i) => this.at(i)[1] !== 0 || this.at(i)[0] !== 0);
  }

  /** Number of writes during a call, by setter. */
  writes(act: () => void): Partial<Record<Setter, number>> {
    const before = this.tables.counters.writes;
    act();
    const after = this.tables.counters.writes;
    const changed = SETTERS.filter((setter) => after[setter] !== before[setter]);
    return Object.fromEntries(changed.map((setter) => [setter, after[setter] - before[setter]]));
  }
}

/** Calls of each setter, with the number of entries that they write. */
const CALLS: readonly (readonly [Setter, number, (tables: PageTables, table: number) => void])[] = [
  [
    "set_pte",
    1,
    (tables, table) => {
      tables.setPte(toPfn(table), 3, { high: LEAF_HIGH | 1, low: LEAF_LOW | 0x4000 });
    },
  ],
  [
    "set_pte",
    5,
    (tables, table) => {
      tables.setPtes(toPfn(table), 3, { high: LEAF_HIGH | 1, low: LEAF_LOW | 0x4000 }, 5);
    },
  ],
  [
    "set_pte",
    1,
    (tables, table) => {
      tables.setPtes(toPfn(table), 3, { high: LEAF_HIGH | 1, low: LEAF_LOW | 0x4000 }, 1);
    },
  ],
  [
    "set_pmd",
    1,
    (tables, table) => {
      tables.setPmd(toPfn(table), 3, TABLE);
    },
  ],
  [
    "set_pud",
    1,
    (tables, table) => {
      tables.setPud(toPfn(table), 3, TABLE);
    },
  ],
  [
    "set_p4d",
    1,
    (tables, table) => {
      tables.setP4d(toPfn(table), 3, TABLE);
    },
  ],
  [
    "set_pgd",
    1,
    (tables, table) => {
      tables.setPgd(toPfn(table), 3, TABLE);
    },
  ],
  [
    "ptep_test_and_clear_young",
    1,
    (tables, table) => {
      tables.ptepTestAndClearYoung(toPfn(table), 3);
    },
  ],
  [
    "ptep_get_and_clear",
    1,
    (tables, table) => {
      tables.ptepGetAndClear(toPfn(table), 3);
    },
  ],
  [
    "ptep_get_and_clear",
    4,
    (tables, table) => {
      tables.clearFullPtes(toPfn(table), 3, 4);
    },
  ],
  [
    "ptep_set_wrprotect",
    1,
    (tables, table) => {
      tables.ptepSetWrprotect(toPfn(table), 3);
    },
  ],
  [
    "ptep_set_wrprotect",
    4,
    (tables, table) => {
      tables.wrprotectPtes(toPfn(table), 3, 4);
    },
  ],
  [
    "clear_young_dirty_pte",
    1,
    (tables, table) => {
      tables.clearYoungDirtyPte(toPfn(table), 3, true, true);
    },
  ],
  [
    "pmdp_establish",
    1,
    (tables, table) => {
      tables.pmdpEstablish(toPfn(table), 3, { high: LEAF_HIGH | 1, low: LEAF_LOW });
    },
  ],
  [
    "ptep_set_access_flags",
    1,
    (tables, table) => {
      tables.ptepSetAccessFlags(toPfn(table), 3, { high: LEAF_HIGH, low: LEAF_LOW });
    },
  ],
];

/** The example architecture with CPUs whose next `storeRun` calls fault. */
function faultingRuns(left: { faults: number }): ReturnType<typeof variant> {
  return variant((container) => {
    const factory = resolve(container, CpuFactory);
    provide(container, CpuFactory, {
      create(id) {
        const cpu = factory.create(id);
        const storeRun: Cpu["storeRun"] = (...run) => (left.faults-- > 0 ? FAULT : cpu.storeRun(...run));
        return overriding(cpu, { storeRun });
      },
    });
  });
}

it.each([true, false])("a fault in the stores after an exchange is handled: repaired %s", (repairs) => {
  const left = { faults: 0 };
  const attach = (points: ExtensionPoints): void => {
    points.on("kernelFault", () => repairs);
  };
  const table = new Table(boot({}, { arch: faultingRuns(left), attach }));
  for (let i = 0; i < 3; i++) table.put(i, LEAF_HIGH, LEAF_LOW | (i << PAGE_SHIFT));
  left.faults = 1;
  const clear = (): void => {
    table.tables.clearFullPtes(table.pfn, 0, 3);
  };
  if (repairs) clear();
  else expect(clear).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
  expect(table.used()).toEqual(repairs ? [] : [1, 2]);
});

describe("a setter", () => {
  it.each(CALLS)("%s counts %d writes, and none of another setter", (setter, count, act) => {
    const table = new Table();
    const before = table.tables.counters.total;
    expect(
      table.writes(() => {
        act(table.tables, table.pfn);
      }),
    ).toEqual({ [setter]: count });
    expect([table.tables.counters.total - before, table.machine.counters().tableWrites - before]).toEqual([
      count,
      count,
    ]);
  });

  it.each(CALLS)("%s enters its guard and exits it with the state that enter returned", (setter, count, act) => {
    const log: unknown[] = [];
    let state = 40;
    const watch = (name: Setter): Guard => ({
      enter: () => (log.push(name), ++state as unknown as KpkeysState),
      exit: (entered) => void log.push(entered),
    });
    const table = new Table(
      boot(
        {},
        {
          attach: (points) => {
            for (const name of SETTERS) points.setGuard(name, watch(name));
          },
        },
      ),
    );
    log.length = 0;
    state = 0;
    act(table.tables, table.pfn);
    expect(log).toEqual(Array.from({ length: count }, (_, i) => [setter, i + 1]).flat());
  });

  it.each(CALLS)("%s writes the same with a guard that returns NOT_ENTERED", (setter, count, act) => {
    const nothing: Guard = { enter: () => NOT_ENTERED, exit: () => undefined };
    const guarded = new Table(
      boot(
        {},
        {
          attach: (points) => {
            for (const name of SETTERS) points.setGuard(name, nothing);
          },
        },
      ),
    );
    const plain = new Table();
    for (const table of [guarded, plain]) {
      for (let i = 0; i < 8; i++) table.put(3 + i, LEAF_HIGH | 0x10, LEAF_LOW | (i << PAGE_SHIFT));
      expect(
        table.writes(() => {
          act(table.tables, table.pfn);
        }),
      ).toEqual({ [setter]: count });
    }
    const entries = (table: Table): unknown => table.used().map((i) => [i, table.at(i)]);
    expect(entries(guarded)).toEqual(entries(plain));
  });

  it.each(CALLS)(
    "%s retries a faulting write if a feature repaired the cause, else it is an oops",
    (setter, _, act) => {
      for (const repairs of [true, false]) {
        const faults: FaultReport[] = [];
        let restore = (): void => undefined;
        const attach = (points: ExtensionPoints): void => {
          points.on("kernelFault", (report) => {
            faults.push({ ...report });
            if (repairs) restore();
            return repairs;
          });
        };
        const table = new Table(boot({}, { attach }));
        const { machine, tables, pfn } = table;
        const leaf = entryOf(machine, linearPage(machine, pfn));
        machine.memory.writeEntry(toPfn(leaf.table), leaf.index, { high: 0, low: 0 });
        machine.cpus.current.mmu.invalidateAll();
        restore = () => {
          machine.memory.writeEntry(toPfn(leaf.table), leaf.index, leaf);
        };
        if (repairs)
          expect(
            Object.keys(
              table.writes(() => {
                act(tables, pfn);
              }),
            ),
          ).toEqual([setter]);
        else
          expect(() => {
            act(tables, pfn);
          }).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
        expect(faults).toHaveLength(1);
      }
    },
  );
});

/** The linear-map page of a frame. */
function linearPage(machine: Machine, pfn: number): number {
  return Number(0xffffc00000000000n >> 14n) + pfn - machine.memory.firstPfn;
}

describe("setters of state", () => {
  const entry = fc.record({
    write: fc.boolean(),
    old: fc.boolean(),
    clean: fc.boolean(),
    pfn: fc.nat(2 ** 34),
    key: fc.nat(2),
  });
  const wordsOf = ({
    write,
    old,
    clean,
    pfn,
    key,
  }: {
    write: boolean;
    old: boolean;
    clean: boolean;
    pfn: number;
    key: number;
  }): [number, number] => [
    LEAF_HIGH | Math.floor(pfn / 2 ** 18) | (key << 24),
    (pfn << PAGE_SHIFT) | (write ? WRITE : 0) | (old ? 0 : REFERENCED) | (clean ? 0 : CHANGED),
  ];

  it("change only the state of their name", () => {
    const table = new Table();
    const { tables, pfn } = table;
    fc.assert(
      fc.property(entry, fc.nat(ENTRIES - 1), fc.boolean(), fc.boolean(), (of, index, young, dirty) => {
        const [high, low] = wordsOf(of);
        const after = (act: () => unknown): [unknown, number, number] => {
          table.put(index, high, low);
          return [act(), ...table.at(index)];
        };
        expect(after(() => tables.ptepTestAndClearYoung(toPfn(pfn), index))).toEqual([
          !of.old,
          high,
          low & ~REFERENCED,
        ]);
        expect(
          after(() => {
            tables.ptepSetWrprotect(toPfn(pfn), index);
          }),
        ).toEqual([undefined, high, low & ~WRITE]);
        expect(
          after(() => {
            tables.clearYoungDirtyPte(toPfn(pfn), index, young, dirty);
          }),
        ).toEqual([undefined, high, low & ~((young ? REFERENCED : 0) | (dirty ? CHANGED : 0))]);
        expect(after(() => tables.ptepGetAndClear(toPfn(pfn), index))).toEqual([{ high, low }, 0, 0]);
        expect(after(() => tables.pmdpEstablish(toPfn(pfn), index, { high: 5, low: 9 }))).toEqual([
          { high, low },
          5,
          9,
        ]);
      }),
    );
  });

  it("add the state of another entry, remove none, and return whether the entry changed", () => {
    const table = new Table();
    const { tables, pfn } = table;
    fc.assert(
      fc.property(entry, entry, (of, wanted) => {
        const [high, low] = wordsOf(of);
        table.put(7, high, low);
        const [wantedHigh, wantedLow] = wordsOf({ ...of, write: wanted.write, old: wanted.old, clean: wanted.clean });
        const changed = tables.ptepSetAccessFlags(toPfn(pfn), 7, { high: wantedHigh, low: wantedLow });
        expect(changed).toBe(wantedLow !== low);
        expect(table.at(7)).toEqual([
          high,
          low | (wanted.write ? WRITE : 0) | (wanted.old ? 0 : REFERENCED) | (wanted.clean ? 0 : CHANGED),
        ]);
      }),
    );
    table.put(7, LEAF_HIGH, LEAF_LOW);
    expect(
      table.writes(() => {
        tables.ptepSetAccessFlags(toPfn(pfn), 7, { high: LEAF_HIGH, low: LEAF_LOW });
      }),
    ).toEqual({});
    expect(
      table.writes(() => {
        tables.ptepSetAccessFlags(toPfn(pfn), 7, { high: LEAF_HIGH | 1, low: LEAF_LOW });
      }),
    ).toEqual({ ptep_set_access_flags: 1 });
  });
});

describe("setters of runs", () => {
  const run = fc.record({
    pfn: fc.oneof(fc.nat(2 ** 34), fc.integer({ min: 2 ** 18 - 9, max: 2 ** 18 + 9 })),
    index: fc.nat(ENTRIES - 40),
    count: fc.integer({ min: 1, max: 40 }),
  });
  const machines = ([undefined, 0, 1, "little", "big"] as const).map((state) => {
    // Two machines of other byte orders, whose entries have the order of data.
    if (typeof state === "string") return new Table(boot({}, { arch: byteOrders(state, state) }));
    const guard: Guard = { enter: () => state as KpkeysState, exit: () => undefined };
    return new Table(
      boot(
        {},
        {
          attach: (points) => {
            if (state !== undefined) for (const name of SETTERS) points.setGuard(name, guard);
          },
        },
      ),
    );
  });

  it.each(
    machines.map(
      (table, i) =>
        [
          ["no guard", "a guard that returns NOT_ENTERED", "a guard that enters", "little-endian", "big-endian"][i],
          table,
        ] as const,
    ),
  )("write the same as a loop: %s", (_, table) => {
    const { tables } = table;
    fc.assert(
      fc.property(run, ({ pfn, index, count }) => {
        const words = (i: number): [number, number] => [
          LEAF_HIGH | Math.floor((pfn + i) / 2 ** 18),
          ((pfn + i) << PAGE_SHIFT) | LEAF_LOW,
        ];
        const all = Array.from({ length: count }, (_, i) => i);
        const entries = (): [number, number][] => all.map((i) => table.at(index + i));

        expect(
          table.writes(() => {
            const [high, low] = words(0);
            tables.setPtes(toPfn(table.pfn), index, { high, low }, count);
          }),
        ).toEqual({ set_pte: count });
        expect(entries()).toEqual(all.map(words));
        expect(table.used()).toHaveLength(count);

        expect(
          table.writes(() => {
            tables.wrprotectPtes(toPfn(table.pfn), index, count);
          }),
        ).toEqual({ ptep_set_wrprotect: count });
        expect(entries()).toEqual(all.map((i) => [words(i)[0], words(i)[1] & ~WRITE]));

        expect(
          table.writes(() => {
            tables.clearFullPtes(toPfn(table.pfn), index, count);
          }),
        ).toEqual({ ptep_get_and_clear: count });
        expect(table.used()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

describe("the setter of a level", () => {
  it("is that of the folded level above the next table: set_pud for a pgd above a pmd", () => {
    const table = new Table();
    const by = (level: number): unknown =>
      table.writes(() => {
        table.tables.setEntry(toLevel(level), toPfn(table.pfn), 1, { high: 2, low: 3 });
      });
    expect([by(0), by(1), by(2)]).toEqual([{ set_pud: 1 }, { set_pmd: 1 }, { set_pte: 1 }]);
    expect(table.at(1)).toEqual([2, 3]);
  });
});

describe("barriers of setters", () => {
  it("follow the architecture's rule, immediately or at the end of the lazy MMU section", () => {
    const asked: [string, number, number][] = [];
    const arch = pgtableVariant({
      barrierAfter: (setter, high, low) => (asked.push([setter, high, low]), low === 5),
    });
    const table = new Table(boot({}, { arch }));
    const { tables, machine, pfn } = table;
    const lazy = machine.get(LazyMmu);
    const barriers = (act: () => void): number => {
      const before = machine.counters().setterBarriers;
      act();
      return machine.counters().setterBarriers - before;
    };
    asked.length = 0;
    expect(
      barriers(() => {
        tables.setPte(toPfn(pfn), 0, { high: 1, low: 5 });
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        tables.setPte(toPfn(pfn), 0, { high: 1, low: 4 });
      }),
    ).toBe(0);
    expect(
      barriers(() => {
        tables.setPtes(toPfn(pfn), 0, { high: 1, low: 5 }, 9);
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        tables.setPtes(toPfn(pfn), 0, { high: 1, low: 4 }, 9);
      }),
    ).toBe(0);
    expect(
      barriers(() => {
        tables.setPmd(toPfn(pfn), 0, { high: 1, low: 5 });
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        tables.setPmd(toPfn(pfn), 0, { high: 1, low: 4 });
      }),
    ).toBe(0);
    expect(asked).toEqual([
      ["set_pte", 1, 5],
      ["set_pte", 1, 4],
      ["set_pte", 1, 5],
      ["set_pte", 1, 4],
      ["set_pmd", 1, 5],
      ["set_pmd", 1, 4],
    ]);
    expect(
      barriers(() => {
        lazy.enable();
        for (let i = 0; i < 9; i++) tables.setPte(toPfn(pfn), i, { high: 1, low: 5 });
        expect(machine.counters().setterBarriers).toBe(tables.counters.barriers);
        lazy.disable();
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        tables.ptepGetAndClear(toPfn(pfn), 0);
        tables.pmdpEstablish(toPfn(pfn), 0, { high: 1, low: 5 });
        tables.ptepSetWrprotect(toPfn(pfn), 0);
      }),
    ).toBe(0);
  });
});

describe("the table walk", () => {
  it("finds the entry of each level, and none below an entry that is not a table", () => {
    const { tables, machine } = new Table();
    const format = machine.get(PageTableFormat);
    const page = 2 ** 33 + 5;
    const root = tables.allocTable("user", toLevel(0))!;
    const middle = tables.allocTable("user", toLevel(1))!;
    const last = tables.allocTable("user", toLevel(2))!;
    const tablesAt = (): (number | undefined)[] =>
      [0, 1, 2].map((level) => tables.entryAt(root, toLevel(level), toVpn(page))?.table);
    const link = (level: number, table: number): void => {
      tables.entryAt(root, toLevel(level), toVpn(page))!.set(format.makeTable(toPfn(table), true));
    };
    expect(tablesAt()).toEqual([root, undefined, undefined]);
    link(0, middle);
    expect(tablesAt()).toEqual([root, middle, undefined]);
    link(1, last);
    expect(tablesAt()).toEqual([root, middle, last]);
    expect(tables.entryAt(root, toLevel(2), toVpn(page))).toMatchObject({ level: 2, index: 5, page, pages: 1 });
    tables.entryAt(root, toLevel(1), toVpn(page))!.set({ high: LEAF_HIGH, low: LEAF_LOW });
    expect(tablesAt()).toEqual([root, middle, undefined]);
  });

  it("counts its reads", () => {
    const { tables, pfn } = new Table();
    const before = tables.counters.reads;
    tables.read(toPfn(pfn), 0);
    tables.read(toPfn(pfn), 1);
    tables.ptepSetAccessFlags(toPfn(pfn), 0, { high: LEAF_HIGH, low: LEAF_LOW });
    tables.setPte(toPfn(pfn), 0, { high: LEAF_HIGH, low: LEAF_LOW });
    expect(tables.counters.reads - before).toBe(3);
  });
});

describe("table pages", () => {
  it("come zeroed from the buddy allocator, have a source, and are freed", () => {
    const { machine, tables } = new Table();
    const pages = machine.get(PageAllocator);
    const dirty = pages.alloc(0)!;
    for (let i = 0; i < ENTRIES; i++) machine.memory.writeEntry(dirty, i, { high: 1, low: 1 });
    pages.free(dirty, 0);
    const { freePages } = pages;
    const { tablesAllocated, tablesFreed } = tables.counters;
    const content = new Int32Array(2 * ENTRIES);
    for (const source of ["user", "kernel"] as const) {
      const table = tables.allocTable(source)!;
      machine.memory.readPage(table, content);
      expect(content.every((word) => word === 0)).toBe(true);
      expect([tables.sourceOf(table), pages.freePages]).toEqual([source, freePages - 1]);
      tables.freeTable(table);
      expect([tables.sourceOf(table), pages.freePages]).toEqual([undefined, freePages]);
    }
    expect([tables.counters.tablesAllocated - tablesAllocated, tables.counters.tablesFreed - tablesFreed]).toEqual([
      2, 2,
    ]);
  });
});
