import { describe, expect, expectTypeOf, it } from "vitest";
import { pageOf, toLevel, toPfn, toPkey, toVpn, wordsOf } from "../src/contracts/index.js";
import type { Asid, Level, LinearMap, PageTables, Pfn, Pkey, SetMemory, Vpn } from "../src/contracts/index.js";

describe("numbers with types", () => {
  it("are numbers, but none is taken for another kind or for a plain number", () => {
    expectTypeOf<Pfn>().toExtend<number>();
    expectTypeOf<number>().not.toExtend<Pfn>();
    expectTypeOf<Pfn>().not.toExtend<Vpn>();
    expectTypeOf<Vpn>().not.toExtend<Pfn>();
    expectTypeOf<Level>().not.toExtend<Pkey>();
    expectTypeOf<Pkey>().not.toExtend<Asid>();
  });

  it("keep two swapped arguments from compiling", () => {
    const calls = (tables: PageTables, memory: SetMemory, map: LinearMap): void => {
      const [level, table, page, pkey] = [toLevel(3), toPfn(1), toVpn(2), toPkey(1)];
      const entry = { high: 0, low: 0 };
      tables.setEntry(level, table, 0, entry);
      // @ts-expect-error - the table before the level
      tables.setEntry(table, level, 0, entry);
      // @ts-expect-error - an index before the table
      tables.setPte(0, table, entry);
      // @ts-expect-error - a page frame where a virtual page is wanted
      tables.entryAt(table, level, table);
      memory.setMemoryPkey(page, 1, pkey);
      // @ts-expect-error - the key before the number of pages
      memory.setMemoryPkey(page, pkey, 1);
      // @ts-expect-error - a virtual page where a page frame is wanted
      map.pageOf(page);
    };
    expect(calls).toBeTypeOf("function");
  });

  it("are found again in the words of an address", () => {
    for (const page of [0, 1, 2 ** 35 - 1, 2 ** 36, 2 ** 52 - 1].map(toVpn)) {
      expect(pageOf(wordsOf(page, 12, 0xff8), 12)).toBe(page);
      expect(wordsOf(page, 12, 0xff8).low & 0xfff).toBe(0xff8);
    }
    expect(wordsOf(toVpn(2 ** 52 - 2 ** 35), 12)).toEqual({ high: -32768, low: 0 });
  });
});
