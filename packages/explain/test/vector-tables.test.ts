import { toPfn } from "@kpkeys/core/contracts";
import type { Geometry, Vector } from "@kpkeys/core/contracts";
import { createPhysicalMemory } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { buildVectorTables, readVectorEntries } from "../src/vectors/tables.js";

// Three levels of an invented geometry: leaves of 1 GiB, 2 MiB and 4 KiB.
const LEVELS: Geometry["levels"] = [
  { name: "pud", shift: 30, indexBits: 9, leaf: true },
  { name: "pmd", shift: 21, indexBits: 9, leaf: true },
  { name: "pte", shift: 12, indexBits: 9, leaf: true },
];
/** The error of an invalid line. */
const INVALID = { code: "ERR_VECTOR_LINE", where: "vector one" };
const VECTOR: Vector = {
  id: "one",
  level: "4k",
  va: "0x12345678",
  upper: ["0x8001", "0x9001"],
  pte: "0xa003",
  frame: "0xa000",
};

describe("the tables of a vector", () => {
  const memory = createPhysicalMemory([{ firstPfn: toPfn(0), pages: 64 }]);
  const rootOf = (vector: Vector, where = memory): number => buildVectorTables(vector, where, LEVELS).tables[0]!;

  test("have each entry at the index of the address, and read back", () => {
    const built = buildVectorTables(VECTOR, memory, LEVELS);
    const { tables, high, low } = built;
    expect({ high, low }).toEqual({ high: 0, low: 0x12345678 });
    expect(tables.slice(1)).toEqual([8, 9]);
    expect(memory.read(tables[0]!, 0).low).toBe(0x8001);
    expect(memory.read(toPfn(8), 0x12345678 >>> 21).low).toBe(0x9001);
    expect(memory.read(toPfn(9), (0x12345678 >>> 12) & 511).low).toBe(0xa003);
    expect(readVectorEntries(built, memory)).toEqual(["0x8001", "0x9001", "0xa003"]);
    memory.write(toPfn(9), (0x12345678 >>> 12) & 511, { high: 1, low: 0xa023 });
    expect(readVectorEntries(built, memory).at(-1)).toBe("0x10000a023");
  });

  test("are the only contents of memory", () => {
    memory.write(toPfn(20), 3, { high: 1, low: 1 });
    rootOf(VECTOR);
    expect(memory.materialisedPages).toBe(3);
    expect(memory.read(toPfn(20), 3).low).toBe(0);
  });

  test("have a root outside of all tables and of the leaf", () => {
    expect(rootOf({ ...VECTOR, upper: ["0x3f001", "0x3e001"], pte: "0x3d003", frame: "0x3d000" })).toBe(0x3c);
    const block = { ...VECTOR, level: "2m", va: "0x8", upper: ["0x1001"], pte: "0x200003", frame: "0x200000" };
    const large = createPhysicalMemory([{ firstPfn: toPfn(0), pages: 1024 }]);
    expect(rootOf(block, large)).toBe(0x1ff);
    expect(rootOf({ ...block, pte: "0x3", frame: "0x0" }, large)).toBe(0x3ff);
    const huge = { ...VECTOR, level: "1g", upper: [], pte: "0x3", frame: "0x0" };
    expect(() => rootOf(huge, large)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }));
  });

  test("may be outside of RAM", () => {
    const built = buildVectorTables({ ...VECTOR, upper: ["0x8001", "0x100009001"] }, memory, LEVELS);
    expect(readVectorEntries(built, memory)).toEqual(["0x8001", "0x100009001", "0xa003"]);
    expect(built.isRam).toBe(true);
    expect(buildVectorTables({ ...VECTOR, frame: "0x40000" }, memory, LEVELS).isRam).toBe(false);
  });

  test("must lead to a leaf of the vector's size", () => {
    expect(() => rootOf({ ...VECTOR, level: "2m" })).toThrow(expect.objectContaining(INVALID));
    expect(() => rootOf({ ...VECTOR, upper: ["0x1", "0x1", "0x1"] })).toThrow(expect.objectContaining(INVALID));
  });
});
