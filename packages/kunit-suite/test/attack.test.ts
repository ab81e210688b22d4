import { pageOf, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { Pfn, Level } from "@kpkeys/core/contracts";
import type { PageAlias, ScannedTable } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { attack } from "../src/index.js";
import { createToyMachine, LINEAR_HIGH } from "./toy-machine.js";

const LEVELS = ["pgd", "pte"] as const;
const IMAGE_HIGH = 0xffff_ffff | 0;

/** A mapping of a page at an upper word of the address. */
function aliasOf(pfn: Pfn, high: number, more: Partial<PageAlias> = {}): PageAlias {
  return { page: pageOf({ high, low: pfn << 12 }, 12), pkey: 1, writable: true, user: false, ...more };
}

function table(pfn: Pfn, level: Level, ...aliases: [high: number, writable: boolean][]): ScannedTable {
  return {
    pfn,
    first: 0,
    entries: 512,
    level,
    source: "static",
    aliases: aliases.map(([high, writable]) => aliasOf(pfn, high, { writable })),
  };
}

describe("attack", () => {
  it("stores the value already there to the first, middle and last entry of each table, through every alias", () => {
    const machine = createToyMachine(LEVELS, () => true);
    const result = attack(machine, [table(toPfn(3), toLevel(1), [LINEAR_HIGH, true], [IMAGE_HIGH, true])]);
    expect(machine.stores).toEqual(
      [LINEAR_HIGH, IMAGE_HIGH].flatMap((high) =>
        [0, 256, 511].map((index) => ({ high, low: 0x3000 + 8 * index, value: [3, index] })),
      ),
    );
    expect(result).toMatchObject({ tried: 6, blocked: 6, readOnly: 0, gaps: [] });
  });

  it("enters the DEFAULT context and leaves it", () => {
    const contexts: (string | undefined)[] = [];
    const machine = createToyMachine(LEVELS, () => {
      contexts.push(machine.context);
      return true;
    });
    attack(machine, [table(toPfn(3), toLevel(1), [LINEAR_HIGH, true])]);
    expect(contexts).toEqual(["DEFAULT", "DEFAULT", "DEFAULT"]);
    expect(machine.context).toBeUndefined();
  });

  it("lists the stores that succeed by source, level and mapping", () => {
    const machine = createToyMachine(LEVELS, (high) => high === LINEAR_HIGH);
    const tables = [3, 4].map((pfn) => table(toPfn(pfn), toLevel(1), [LINEAR_HIGH, true], [IMAGE_HIGH, true]));
    expect(attack(machine, [...tables, table(toPfn(5), toLevel(0), [IMAGE_HIGH, true])])).toEqual({
      tried: 15,
      blocked: 6,
      loads: { tried: 0, blocked: 0 },
      bySource: { static: { tried: 15, blocked: 6 } },
      readOnly: 0,
      gaps: [
        { source: "static", level: "pte", mapping: "other", stores: 6, loads: 0, address: "ffffffff00003000" },
        { source: "static", level: "pgd", mapping: "other", stores: 3, loads: 0, address: "ffffffff00005000" },
      ],
    });
  });

  it("counts read-only mappings separately, because no hardening blocks those stores", () => {
    const machine = createToyMachine(LEVELS, (high) => high === IMAGE_HIGH);
    const result = attack(machine, [table(toPfn(3), toLevel(0), [LINEAR_HIGH, true], [IMAGE_HIGH, false])]);
    expect(result).toMatchObject({ tried: 3, blocked: 0, readOnly: 3 });
    expect(result.gaps).toHaveLength(1);
  });

  it("lists stores that succeed through a read-only mapping", () => {
    const result = attack(
      createToyMachine(LEVELS, () => false),
      [table(toPfn(3), toLevel(0), [LINEAR_HIGH, false])],
    );
    expect(result).toMatchObject({ tried: 3, blocked: 0, readOnly: 0 });
    expect(result.gaps).toMatchObject([{ stores: 3 }]);
  });

  it("stores to protected objects, to each word once if an object has fewer than three", () => {
    const object = (pfn: number, offset: number, size: number) => ({
      pfn: toPfn(pfn),
      offset,
      size,
      pkey: toPkey(2),
      source: "cred",
    });
    const machine = createToyMachine(LEVELS, (_high, low) => low >>> 12 !== 9, [object(8, 64, 192), object(9, 8, 8)]);
    expect(attack(machine, [])).toEqual({
      tried: 4,
      blocked: 3,
      loads: { tried: 0, blocked: 0 },
      bySource: { cred: { tried: 4, blocked: 3 } },
      readOnly: 0,
      gaps: [{ source: "cred", level: "object", mapping: "linear", stores: 1, loads: 0, address: "ffff800000009008" }],
    });
    expect(machine.stores.map(({ low }) => low & 0xfff)).toEqual([64, 64 + 96, 64 + 184, 8]);
  });
});

describe("attack on objects whose reads are withheld", () => {
  const object = (withholds?: "write" | "read-write") => ({
    pfn: toPfn(8),
    offset: 64,
    size: 16,
    pkey: toPkey(2),
    source: "secret",
    ...(withholds !== undefined && { withholds }),
  });
  const WORDS = [64, 72];

  it("loads from each word through every alias, in DEFAULT, and counts loads in the totals", () => {
    const contexts: (string | undefined)[] = [];
    const machine = createToyMachine(
      LEVELS,
      () => {
        contexts.push(machine.context);
        return true;
      },
      [object("read-write")],
      (pfn) => [aliasOf(pfn, LINEAR_HIGH), aliasOf(pfn, IMAGE_HIGH, { writable: false })],
    );
    expect(attack(machine, [])).toEqual({
      tried: 6,
      blocked: 6,
      loads: { tried: 4, blocked: 4 },
      bySource: { secret: { tried: 6, blocked: 6 } },
      readOnly: 2,
      gaps: [],
    });
    expect(machine.loads.map(({ high, low }) => [high, low & 0xfff])).toEqual(
      [LINEAR_HIGH, IMAGE_HIGH].flatMap((high) => WORDS.map((word) => [high, word])),
    );
    expect(new Set(contexts)).toEqual(new Set(["DEFAULT"]));
  });

  it("lists loads that succeed, also through a read-only mapping", () => {
    const machine = createToyMachine(
      LEVELS,
      (high, _low, isLoad) => high === LINEAR_HIGH || !isLoad,
      [object("read-write")],
      (pfn) => [aliasOf(pfn, LINEAR_HIGH), aliasOf(pfn, IMAGE_HIGH, { writable: false })],
    );
    const { loads, readOnly, gaps } = attack(machine, []);
    expect({ loads, readOnly }).toEqual({ loads: { tried: 4, blocked: 2 }, readOnly: 2 });
    expect(gaps).toEqual([
      { source: "secret", level: "object", mapping: "other", stores: 0, loads: 2, address: "ffffffff00008040" },
    ]);
  });

  it("counts a user mapping as open for loads, and for stores if it is writable, without an access", () => {
    for (const [writable, stores] of [
      [false, 0],
      [true, 2],
    ] as const) {
      const machine = createToyMachine(
        LEVELS,
        () => true,
        [object("read-write")],
        (pfn) => [aliasOf(pfn, 0, { user: true, pkey: 2, writable })],
      );
      expect(attack(machine, []).gaps).toMatchObject([{ mapping: "other", stores, loads: 2 }]);
      expect([machine.loads, machine.stores]).toEqual([[], []]);
    }
  });

  it.each([undefined, "write"] as const)("makes no load if only writes are withheld: %s", (withholds) => {
    const machine = createToyMachine(LEVELS, () => true, [object(withholds)]);
    expect(attack(machine, [])).toMatchObject({ tried: 2, loads: { tried: 0 } });
    expect(machine.loads).toEqual([]);
  });
});
