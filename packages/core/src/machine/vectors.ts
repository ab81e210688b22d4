import { Access, Privilege } from "../contracts/index.js";
import type { Cpu, PhysicalMemory, Words } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import type { LevelDecoding } from "./regime.js";

/** A parsed line of an architectural vector file. */
export type Vector = Readonly<Record<string, unknown>>;

/** The table entries of a vector, built in a machine's memory. */
export interface VectorTables {
  /** Page-frame number of the root table. */
  readonly root: number;
  /** Bits 63 to 32 and 31 to 0 of the address accessed. */
  readonly address: Words;
  /** Whether there is RAM behind the address: a block may reach beyond. */
  readonly isRam: boolean;
  /**
   * The entries as they are now.
   * @returns the entries from the root down, the leaf last, as hex without padding
   */
  entries(): readonly string[];
}

/** Bytes of a page are `2 ** 12`; so many bits of an entry stand below its output address. */
const PAGE_SHIFT = 12n;
/** Bits 51 to 12 of an entry, as a page-frame number's mask. */
const PFN_MASK = (1n << 40n) - 1n;

function refuse(vector: Vector, field: string, expected: string): KpkeysError {
  const id = vector["id"];
  return new KpkeysError("ERR_VECTOR_LINE", `field '${field}' is missing or has the wrong form`, {
    where: typeof id === "string" ? `vector ${id}` : "vector without an id",
    expected,
  });
}

function parseHex(vector: Vector, field: string, value: unknown): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-f]{1,16}$/i.test(value)) {
    throw refuse(vector, field, "a hex string of up to 64 bits");
  }
  return BigInt(value);
}

/**
 * Cuts a 64-bit value into two words.
 *
 * @param value - 64 bits
 * @returns the words
 */
export function toWords(value: bigint): Words {
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asIntN(32, value)) };
}

/**
 * Joins two words, the inverse of {@link toWords}.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns 64 bits, never negative
 */
export function fromWords(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/**
 * Reads a bit pattern of a vector.
 *
 * @param vector - the line
 * @param field - a field that holds a hex string
 * @returns its value
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function vectorHex(vector: Vector, field: string): bigint {
  return parseHex(vector, field, vector[field]);
}

/**
 * Reads a flag of a vector.
 *
 * @param vector - the line
 * @param field - a field that holds 0 or 1; one that is absent counts as 0
 * @returns whether it is set
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function vectorFlag(vector: Vector, field: string): boolean {
  const value = vector[field] ?? 0;
  if (value !== 0 && value !== 1) throw refuse(vector, field, "0 or 1");
  return value === 1;
}

/**
 * Reads a word of a vector.
 *
 * @typeParam T - what the words stand for
 * @param vector - the line
 * @param field - a field that holds one of several words
 * @param choices - the words and what they stand for
 * @param holder - the object that has the field, if not the line itself
 * @returns what the field's word stands for
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function vectorChoice<T>(
  vector: Vector,
  field: string,
  choices: Readonly<Record<string, T>>,
  holder: Vector = vector,
): T {
  const word = holder[field];
  if (typeof word === "string" && Object.hasOwn(choices, word)) return choices[word]!;
  throw refuse(vector, field, Object.keys(choices).join(" or "));
}

/** What a vector calls the accesses. */
const ACCESSES: Readonly<Record<string, Access>> = {
  read: Access.READ,
  write: Access.WRITE,
  rmw: Access.RMW,
  fetch: Access.FETCH,
};

/**
 * Reads what a vector does.
 *
 * @param vector - the line
 * @returns the access
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function vectorAccess(vector: Vector): Access {
  return vectorChoice(vector, "access", ACCESSES);
}

/**
 * The access that a vector makes before the one it judges.
 *
 * @param vector - the line
 * @returns it, or `undefined` when there is none
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function vectorPrior(vector: Vector): Access | undefined {
  const prior = vector["prior"];
  if (prior === undefined) return undefined;
  if (typeof prior !== "object" || prior === null) throw refuse(vector, "prior", "an object with the field access");
  return vectorChoice(vector, "access", ACCESSES, prior as Vector);
}

/**
 * Makes an access of a vector in the way in which the kernel makes it: a load, store or exchange where there is one, so that
 * the vectors judge those too.
 *
 * @param cpu - the CPU
 * @param address - the address accessed; data accesses of the kernel need RAM behind it
 * @param access - what is done
 * @param privilege - on whose behalf
 * @returns the status of the access
 */
export function carryOut(cpu: Cpu, address: Words, access: Access, privilege: Privilege): number {
  const { high, low } = address;
  if (privilege !== Privilege.KERNEL || access === Access.FETCH) return cpu.access(high, low, access, privilege);
  if (access === Access.READ) return cpu.load64(high, low);
  return access === Access.WRITE ? cpu.store64(high, low, 0, 1) : cpu.exchange64(high, low, 0, 1);
}

/**
 * Builds the tables of a vector: the root in a page that the vector does not use, each entry of `upper` in the table that the
 * one before points to, `pte` in the last. A table that an impossible entry puts outside of the memory is left out.
 *
 * @param vector - the line
 * @param memory - the machine's memory, which is reset
 * @param levels - the levels of the architecture's tables, the top one first
 * @returns where they are
 * @throws KpkeysError ERR_VECTOR_LINE; ERR_OUT_OF_MEMORY when no page is left for the root
 */
export function buildVectorTables(
  vector: Vector,
  memory: PhysicalMemory,
  levels: readonly LevelDecoding[],
): VectorTables {
  const upper = vector["upper"];
  if (!Array.isArray(upper) || upper.length >= levels.length) throw refuse(vector, "upper", "a list of table entries");
  const values = [...upper.map((value: unknown) => parseHex(vector, "upper", value)), vectorHex(vector, "pte")];
  const pfns = values.slice(0, -1).map((value) => Number((value >> PAGE_SHIFT) & PFN_MASK));
  const frame = Number(vectorHex(vector, "frame") >> PAGE_SHIFT);
  const leafShift = levels[values.length - 1]!.shift;
  const root = freePage(memory, pfns, frame, leafShift);

  const va = vectorHex(vector, "va");
  const slots = values.map((value, level) => ({
    value,
    table: level === 0 ? root : pfns[level - 1]!,
    index: Number((va >> BigInt(levels[level]!.shift)) & 511n),
  }));
  const pageInLeaf = Number((va & ((1n << BigInt(leafShift)) - 1n)) >> PAGE_SHIFT);
  memory.reset();
  for (const { table, index, value } of slots) {
    const { high, low } = toWords(value);
    if (memory.contains(table)) memory.write(table, index, high, low);
  }
  return {
    root,
    address: toWords(va),
    isRam: memory.contains(frame + pageInLeaf),
    entries: () =>
      slots.map(({ table, index, value }) => {
        const now = memory.contains(table)
          ? fromWords(memory.readHigh(table, index), memory.readLow(table, index))
          : value;
        return `0x${now.toString(16)}`;
      }),
  };
}

/** The highest page of RAM that is neither one of the tables nor inside the leaf. */
function freePage(memory: PhysicalMemory, tables: readonly number[], frame: number, leafShift: number): number {
  const leafPages = 2 ** (leafShift - Number(PAGE_SHIFT));
  const leaf = Math.floor(frame / leafPages) * leafPages;
  let pfn = memory.endPfn - 1;
  while (pfn >= memory.firstPfn) {
    if (pfn >= leaf && pfn < leaf + leafPages) pfn = leaf - 1;
    else if (tables.includes(pfn) || !memory.contains(pfn)) pfn--;
    else return pfn;
  }
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "the vector leaves no page for the root table", {
    expected: "RAM beside its tables and its leaf",
  });
}
