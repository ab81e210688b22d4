import { toPfn } from "@kpkeys/core/contracts";
import { KpkeysError } from "@kpkeys/core";
import type { Geometry, Pfn, PhysicalMemory, Vector } from "@kpkeys/core/contracts";
import { highWord, lowWord, wordsToHex } from "@kpkeys/core/machine";
import { invalidVector } from "./form.js";

/** The tables of a vector in a machine's memory. */
export interface VectorTables {
  /** Page-frame numbers of the tables, the root first. */
  readonly tables: readonly Pfn[];
  /** Index of the vector's entry in each table. */
  readonly indices: readonly number[];
  /** The vector's entries, the leaf last. */
  readonly entries: readonly string[];
  /** Bits 63 to 32 of the address accessed. */
  readonly high: number;
  /** Bits 31 to 0 of the address accessed. */
  readonly low: number;
  /** Whether there is RAM at the address: a block may extend past the end of RAM. */
  readonly isRam: boolean;
}

/** log2 of the page size. */
const PAGE_SHIFT = 12;
/** Mask of bits 51 to 32, part of the output address, in the high word of an entry. */
const ADDRESS_HIGH = 0xfffff;
/** log2 of the size of a leaf, by its size in a vector. */
const SIZE_SHIFTS: Readonly<Record<string, number>> = { "4k": 12, "2m": 21, "1g": 30 };

/** The page-frame number in bits 51 to 12 of a bit pattern. */
function pfnIn(hex: string): Pfn {
  return toPfn((highWord(hex) & ADDRESS_HIGH) * 2 ** 20 + (lowWord(hex) >>> PAGE_SHIFT));
}

/** At most 32 address bits, from bit `shift` up. */
function addressBits(high: number, low: number, shift: number): number {
  return shift < 32 ? (high << (32 - shift)) | (low >>> shift) : high >> (shift - 32);
}

/**
 * Builds the tables of a vector: the root in a page that the vector does not use, each entry of `upper` in the table that the
 * one before points to, `pte` in the last. A table outside of memory is omitted.
 *
 * @param vector - a checked line
 * @param memory - the machine's memory, which is reset
 * @param levels - the levels of the architecture's tables, the top one first
 * @throws KpkeysError ERR_VECTOR_LINE if `upper` does not lead to a leaf of the vector's size; ERR_OUT_OF_MEMORY if no page
 * is left for the root
 */
export function buildVectorTables(vector: Vector, memory: PhysicalMemory, levels: Geometry["levels"]): VectorTables {
  const upper = vector["upper"] as readonly string[];
  const leafShift = checkDepth(vector, upper.length, levels);
  const va = vector["va"] as string;
  const high = highWord(va);
  const low = lowWord(va);
  const frame = pfnIn(vector["frame"] as string);

  const entries = [...upper, vector["pte"] as string];
  const tables = [toPfn(0)];
  for (const entry of upper) tables.push(pfnIn(entry));
  tables[0] = freePage(memory, tables, frame, leafShift);
  const indices = [];

  memory.reset();
  for (let level = 0; level < entries.length; level++) {
    const index = addressBits(high, low, levels[level]!.shift) & 511;
    indices.push(index);
    const table = tables[level]!;
    const entry = entries[level]!;
    if (memory.contains(table)) memory.writeEntry(table, index, { high: highWord(entry), low: lowWord(entry) });
  }
  const pageInLeaf = addressBits(high, low, PAGE_SHIFT) & (2 ** (leafShift - PAGE_SHIFT) - 1);
  return { tables, indices, entries, high, low, isRam: memory.contains(toPfn(frame + pageInLeaf)) };
}

/** @returns the lowest address bit that the leaf's level translates */
function checkDepth(vector: Vector, above: number, levels: Geometry["levels"]): number {
  const level = vector["level"] as string;
  const shift = SIZE_SHIFTS[level]!;
  if (levels[above]?.shift === shift) return shift;
  const expected = `${levels.findIndex((each) => each.shift === shift)} for a leaf of ${level}`;
  throw invalidVector(vector, `field 'upper' has ${above} entries`, expected);
}

/** The highest page of RAM that is neither one of the tables nor inside the leaf. */
function freePage(memory: PhysicalMemory, tables: readonly Pfn[], frame: number, leafShift: number): Pfn {
  const leafPages = 2 ** (leafShift - PAGE_SHIFT);
  const leaf = Math.floor(frame / leafPages) * leafPages;
  let pfn: number = memory.endPfn - 1;
  while (pfn >= memory.firstPfn) {
    if (pfn >= leaf && pfn < leaf + leafPages) pfn = leaf - 1;
    else if (tables.includes(toPfn(pfn)) || !memory.contains(toPfn(pfn))) pfn--;
    else return toPfn(pfn);
  }
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "the vector leaves no page for the root table", {
    expected: "a free page outside of its tables and its leaf",
  });
}

/**
 * Reads the current entries of a vector's tables.
 *
 * @param built - the result of {@link buildVectorTables}
 * @param memory - the machine's memory
 * @returns the entries from the root down, the leaf last, as hex
 */
export function readVectorEntries({ tables, indices, entries }: VectorTables, memory: PhysicalMemory): string[] {
  const now = [];
  for (let level = 0; level < tables.length; level++) {
    const table = tables[level]!;
    const index = indices[level]!;
    const { high, low } = memory.readEntry(table, index);
    now.push(memory.contains(table) ? wordsToHex(high, low) : entries[level]!);
  }
  return now;
}
