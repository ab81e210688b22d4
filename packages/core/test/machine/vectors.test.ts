import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Access } from "../../src/contracts/index.js";
import { KpkeysError } from "../../src/errors.js";
import {
  buildVectorTables,
  createPhysicalMemory,
  fromWords,
  judgeVector,
  toWords,
  vectorAccess,
  vectorFlag,
  vectorHex,
  vectorPrior,
} from "../../src/machine/index.js";
import type { LevelDecoding, Vector } from "../../src/machine/index.js";

// Three levels of an invented geometry: leaves of 1 GiB, 2 MiB and 4 KiB.
const LEVELS: readonly LevelDecoding[] = [
  { shift: 30, typeMask: 3, table: 1, leaf: 3 },
  { shift: 21, typeMask: 3, table: 1, leaf: 3 },
  { shift: 12, typeMask: 3, table: -1, leaf: 3 },
];
const VECTOR: Vector = {
  id: "one",
  va: "0x12345678",
  upper: ["0x8001", "0x9001"],
  pte: "0xa003",
  frame: "0xa000",
  access: "rmw",
};

test("two words and a 64-bit value are one thing", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      const { high, low } = toWords(value);
      expect([high | 0, low | 0]).toEqual([high, low]);
      expect(fromWords(high, low)).toBe(value);
    }),
  );
});

describe("the tables of a vector", () => {
  const memory = createPhysicalMemory([{ firstPfn: 0, pages: 64 }]);

  test("have each entry where the address leads, and read back as they are", () => {
    const tables = buildVectorTables(VECTOR, memory, LEVELS);
    const { root, address } = tables;
    expect(address).toEqual({ high: 0, low: 0x12345678 });
    expect(memory.readLow(root, 0)).toBe(0x8001);
    expect(memory.readLow(8, 0x12345678 >>> 21)).toBe(0x9001);
    expect(memory.readLow(9, (0x12345678 >>> 12) & 511)).toBe(0xa003);
    expect(tables.entries()).toEqual(["0x8001", "0x9001", "0xa003"]);
    memory.write(9, (0x12345678 >>> 12) & 511, 1, 0xa023);
    expect(tables.entries().at(-1)).toBe("0x10000a023");
  });

  test("have a root apart from all tables and from the leaf", () => {
    const tables = { ...VECTOR, upper: ["0x3f001", "0x3e001"], pte: "0x3d003", frame: "0x3d000" };
    expect(buildVectorTables(tables, memory, LEVELS).root).toBe(0x3c);
    const block = { ...VECTOR, va: "0x8", upper: ["0x1001"], pte: "0x200003", frame: "0x200000" };
    const large = createPhysicalMemory([{ firstPfn: 0, pages: 1024 }]);
    expect(buildVectorTables(block, large, LEVELS).root).toBe(0x1ff);
    expect(() => buildVectorTables({ ...block, pte: "0x3", frame: "0x0" }, large, LEVELS)).not.toThrow();
    expect(() => buildVectorTables({ ...VECTOR, upper: [], pte: "0x3", frame: "0x0" }, large, LEVELS)).toThrow(
      /no page for the root/,
    );
  });

  test("may lie outside of RAM as far as an impossible entry says so", () => {
    const tables = buildVectorTables({ ...VECTOR, upper: ["0x8001", "0x100009001"] }, memory, LEVELS);
    expect(tables.entries()).toEqual(["0x8001", "0x100009001", "0xa003"]);
    expect(tables.isRam).toBe(true);
  });
});

describe("the fields of a vector", () => {
  test("are read as what they stand for; an absent flag is 0", () => {
    expect(vectorHex(VECTOR, "va")).toBe(0x12345678n);
    expect(vectorFlag({ ac: 1 }, "ac")).toBe(true);
    expect(vectorFlag({}, "ac")).toBe(false);
    expect(vectorAccess(VECTOR)).toBe(Access.RMW);
    expect(vectorPrior(VECTOR)).toBeUndefined();
    expect(vectorPrior({ prior: { access: "fetch", result: "ok" } })).toBe(Access.FETCH);
  });

  test.each([
    ["a number for a bit pattern", () => vectorHex({ id: "x", pte: 3 }, "pte"), "vector x: field 'pte'"],
    ["more than 64 bits", () => vectorHex({ pte: "0x10000000000000000" }, "pte"), "vector without an id: field 'pte'"],
    ["no bit pattern", () => vectorHex({}, "va"), "field 'va' is missing"],
    ["a flag of 2", () => vectorFlag({ ac: 2 }, "ac"), "expected 0 or 1"],
    ["an unknown access", () => vectorAccess({ access: "toString" }), "expected read or write or rmw or fetch"],
    ["a prior access that is none", () => vectorPrior({ prior: 1 }), "an object with the field access"],
  ])("refused: %s", (_name, read, message) => {
    expect(read).toThrow(KpkeysError);
    expect(read).toThrow(message);
  });
});

describe("a model is judged", () => {
  const outcome = { fields: { result: "fault", esr: "0x1", fsc: "0x1", upper_after: '["0x1"]', far: null } };

  test("by every field of its outcome, a list as its JSON text and an absent field as null", () => {
    expect(judgeVector({ result: "fault", esr: "0x1", fsc: "0x1", upper_after: ["0x1"] }, outcome)).toEqual([]);
    expect(judgeVector({ result: "ok", esr: "0x1", fsc: "0x1", upper_after: ["0x2"], far: "0x8" }, outcome)).toEqual([
      { field: "result", expected: "ok", actual: "fault" },
      { field: "upper_after", expected: '["0x2"]', actual: '["0x1"]' },
      { field: "far", expected: "0x8", actual: null },
    ]);
  });

  test("not by a disputed field, nor by what is decoded from it", () => {
    const vector = { result: "fault", esr: "0x2", fsc: "0x2", upper_after: ["0x1"] };
    expect(judgeVector(vector, outcome)).toHaveLength(2);
    expect(judgeVector({ ...vector, disputed: [{ field: "fsc", why: "" }] }, outcome)).toHaveLength(1);
    expect(judgeVector({ ...vector, disputed: [{ field: "esr", why: "" }] }, outcome)).toEqual([]);
  });
});
