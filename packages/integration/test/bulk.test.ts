import type { Words } from "@kpkeys/core/contracts";
import { LazyMmu, PageTableFormat, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

interface Setting {
  readonly batching: boolean;
  readonly lazy: boolean;
}

/** A machine and a new table. */
function setUp(arch: string, { batching }: Setting): { machine: Machine; tables: PageTables; table: number } {
  const machine = hardened(arch, { batching });
  const tables = machine.get(PageTables);
  return { machine, tables, table: tables.allocTable("user")! };
}

describe.each(ARCHES)("set_ptes on %s", (arch) => {
  it("is the loop of set_pte that it stands for: the same entries, writes, switches and faults", () => {
    const settings = [true, false].flatMap((batching) => [true, false].map((lazy) => ({ batching, lazy })));
    for (const setting of settings) {
      const bulk = setUp(arch, setting);
      const single = setUp(arch, setting);
      const format = bulk.machine.get(PageTableFormat);
      const run = fc.record({ index: fc.nat(511), count: fc.integer({ min: 1, max: 512 }), pfn: fc.nat(2 ** 24) });
      fc.assert(
        fc.property(fc.array(run, { maxLength: 3 }), (runs) => {
          for (const { machine, tables, table } of [bulk, single]) {
            const lazy = machine.get(LazyMmu);
            if (setting.lazy) lazy.enable();
            for (const { index, count, pfn } of runs) {
              const most = Math.min(count, 512 - index);
              const leaf = (i: number): Words =>
                format.makeLeaf(toLevel(3), toPfn(pfn + i), format.protections.PAGE_SHARED);
              if (machine === bulk.machine) tables.setPtes(toPfn(table), index, leaf(0), most);
              for (let i = 0; machine === single.machine && i < most; i++)
                tables.setPte(toPfn(table), index + i, leaf(i));
            }
            if (setting.lazy) lazy.disable();
          }
          const [a, b] = [bulk, single].map(({ machine, table }) => {
            const page = new Int32Array(1024);
            machine.memory.readPage(toPfn(table), page);
            return [[...page], machine.counters(), machine.cpus.current.counters];
          });
          expect(a).toEqual(b);
        }),
        { numRuns: 20 },
      );
    }
  });

  it.each([
    [
      "wrprotect_ptes",
      "ptep_set_wrprotect",
      (tables: PageTables, table: number, index: number, count: number): void => {
        tables.wrprotectPtes(toPfn(table), index, count);
      },
      (tables: PageTables, table: number, index: number): void => {
        tables.ptepSetWrprotect(toPfn(table), index);
      },
    ],
    [
      "clear_full_ptes",
      "ptep_get_and_clear",
      (tables: PageTables, table: number, index: number, count: number): void => {
        tables.clearFullPtes(toPfn(table), index, count);
      },
      (tables: PageTables, table: number, index: number): void => {
        tables.ptepGetAndClear(toPfn(table), index);
      },
    ],
  ] as const)("%s is the loop of %s that it stands for", (_name, setter, run, step) => {
    const settings = [true, false].flatMap((batching) => [true, false].map((lazy) => ({ batching, lazy })));
    for (const setting of settings) {
      const bulk = setUp(arch, setting);
      const single = setUp(arch, setting);
      const format = bulk.machine.get(PageTableFormat);
      const runs = fc.record({
        index: fc.nat(511),
        count: fc.integer({ min: 1, max: 512 }),
        // A run whose frames carry into the high word of their entries.
        pfn: fc.oneof(fc.nat(2 ** 24), fc.constant(2 ** 20 - 5)),
        young: fc.boolean(),
        dirty: fc.boolean(),
      });
      fc.assert(
        fc.property(runs, ({ index, count, pfn, young, dirty }) => {
          const most = Math.min(count, 512 - index);
          for (const { machine, tables, table } of [bulk, single]) {
            const lazy = machine.get(LazyMmu);
            const leaf = format.makeLeaf(toLevel(3), toPfn(pfn), format.protections.PAGE_SHARED);
            const aged = young ? format.makeYoung(leaf) : leaf;
            const entry = dirty ? format.makeDirty(aged) : aged;
            if (setting.lazy) lazy.enable();
            tables.setPtes(toPfn(table), index, entry, most);
            if (machine === bulk.machine) run(tables, table, index, most);
            for (let i = 0; machine === single.machine && i < most; i++) step(tables, table, index + i);
            if (setting.lazy) lazy.disable();
          }
          const [a, b] = [bulk, single].map(({ machine, table }) => {
            const page = new Int32Array(1024);
            machine.memory.readPage(toPfn(table), page);
            return [[...page], machine.counters(), machine.cpus.current.counters];
          });
          expect(a).toEqual(b);
        }),
        { numRuns: 20 },
      );
    }
    const faults = [run, step].map((write) => {
      const machine = hardened(arch, { unguarded: [setter] });
      const tables = machine.get(PageTables);
      const table = tables.allocTable("user")!;
      tables.setPtes(table, 3, { high: 0, low: 0 }, 4);
      try {
        write(tables, table, 3, 4);
      } catch (error) {
        return error instanceof KernelFault ? [error.message, error.report] : error;
      }
      return "no fault";
    });
    expect(faults[0]).toBeInstanceOf(Array);
    expect(faults[0]).toEqual(faults[1]);
  });
});
