import { EntryType, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Geometry, PageTableFormat } from "@kpkeys/core/contracts";
import { fromWords, toWords } from "@kpkeys/core/machine";
import type { ExplainInput, FaultQuestion, Reason } from "./explanation.js";
import { missingInput, readValue, refuseInput } from "./inputs.js";
import { listed, wasOrWere } from "./words.js";

/** Linux's names of all levels. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;
type LevelName = (typeof LEVEL_NAMES)[number];

/** The table entries by Linux's names, and the shape of the tables: inputs of every architecture. */
export const TABLE_ENTRY_INPUTS: readonly ExplainInput[] = [
  ...LEVEL_NAMES.map((name) => [name, `the ${name} entry, as an oops prints it`] as const),
  ["va-bits", "width of virtual addresses in bits, as an oops prints it: 48-bit VAs"] as const,
  ["page-size", "page size, as an oops prints it: 4k pages"] as const,
].map(([name, description]) => ({ name, label: name, description, required: false }));

/** Table entries as they were given. */
export interface GivenEntries {
  /** By Linux's names of their levels. */
  readonly named: Readonly<Partial<Record<LevelName, bigint>>>;
  /** From the root down, instead of names. */
  readonly listed: readonly bigint[] | undefined;
}

/**
 * Reads the table entries of a question.
 *
 * @param question - the inputs as text
 * @throws KpkeysError ERR_EXPLAIN_INPUT for an entry that is no number, or entries in both forms
 */
export function readEntries({ inputs, entries }: FaultQuestion): GivenEntries {
  const read = (name: string, text: string): bigint => readValue({ name, bits: 64 }, text);
  const names = LEVEL_NAMES.filter((name) => inputs[name] !== undefined);
  if (entries === undefined) {
    return { named: Object.fromEntries(names.map((name) => [name, read(name, inputs[name]!)])), listed: undefined };
  }
  if (names.length > 0) throw refuseInput(`entries and ${names[0]!} are both given`, "one of them");
  return { named: {}, listed: entries.map((text) => read("entries", text)) };
}

/** Whether any entry was given. */
export function hasEntries({ named, listed: list }: GivenEntries): boolean {
  return Object.keys(named).length > 0 || (list !== undefined && list.length > 0);
}

/** Linux's names of what it prints of a level: its own, and those of the levels that are folded into it. */
export function namesOfLevel({ levels }: Geometry, level: number): readonly LevelName[] {
  const at = (name: string | undefined): number => LEVEL_NAMES.findIndex((each) => each === name);
  const next = levels[level + 1];
  return LEVEL_NAMES.slice(at(levels[level]!.name), next === undefined ? undefined : at(next.name));
}

/**
 * Assigns entries to the levels of a geometry. Linux prints a folded level under its own name: with the value of the level above,
 * or 0 where it is folded at run time.
 *
 * @param given - the entries
 * @param geometry - the shape of the tables
 * @returns an entry for each level, or `undefined` where none was given; the names that contradict each other if they do
 */
export function assignEntries(
  { named, listed: list }: GivenEntries,
  geometry: Geometry,
): { readonly entries: readonly (bigint | undefined)[] } | { readonly conflict: readonly string[] } {
  const { levels } = geometry;
  if (list !== undefined) {
    return list.length > levels.length
      ? { conflict: ["entries", `${levels.length} levels`] }
      : { entries: levels.map((_, level) => list[level]) };
  }
  const entries: (bigint | undefined)[] = [];
  for (let level = 0; level < levels.length; level++) {
    const names = namesOfLevel(geometry, level).filter((name) => named[name] !== undefined);
    const values = new Set(names.map((name) => named[name]!).filter((value) => value !== 0n));
    if (values.size > 1) return { conflict: names };
    entries.push(names.length === 0 ? undefined : ([...values][0] ?? 0n));
  }
  return { entries };
}

/**
 * The entries of a walk, the leaf last: checks that they can be of one walk, and makes up tables that are missing above one that
 * was given.
 *
 * @param given - an entry for each level, or `undefined`
 * @param format - their codec
 * @param openTable - a table entry that withholds nothing, without its address
 * @param unreadable - whether the table below the last one could not be read
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function completeEntries(
  given: readonly (bigint | undefined)[],
  format: PageTableFormat,
  openTable: bigint,
  unreadable: boolean,
): { readonly entries: readonly bigint[]; readonly assumed: readonly Reason[] } {
  const { levels } = format.geometry;
  const depth = given.findLastIndex((entry) => entry !== undefined) + 1;
  if (depth === 0) throw missingInput(["the table entries (--pte and those above it, or --entries)"]);

  given.slice(0, depth).forEach((entry, level) => {
    if (entry === undefined) return;
    const { high, low } = toWords(entry);
    const type = format.typeOf(toLevel(level), high, low);
    const name = levels[level]!.name;
    const next = levels[level + 1]?.name ?? "";
    if (type === EntryType.LEAF && level < depth - 1) {
      throw refuseInput(`${name} is a leaf, and ${levels[depth - 1]!.name} is given too`, "the entries of one walk");
    }
    if (type === EntryType.TABLE && level === depth - 1 && !unreadable) {
      throw refuseInput(`${next} was not given, and ${name} points to a table`, `${next}, and those below it`);
    }
  });

  const missing = given.slice(0, depth).flatMap((entry, level) => (entry === undefined ? [level] : []));
  const names = missing.map((level) => levels[level]!.name);
  const text = `${listed(names)} ${wasOrWere(names)} not given: assumed to withhold nothing`;
  return {
    entries: fillIn(given.slice(0, depth), format, openTable),
    assumed: missing.length === 0 ? [] : [{ topic: "assumed", text }],
  };
}

/** Tables that were not given are in pages that no other entry names. */
function fillIn(given: readonly (bigint | undefined)[], format: PageTableFormat, openTable: bigint): bigint[] {
  const taken = new Set(
    given.flatMap((entry) => {
      const { high, low } = toWords(entry ?? 0n);
      return entry === undefined ? [] : [format.pfnOf(high, low)];
    }),
  );
  let pfn = taken.size === 0 ? 1 : Math.min(...taken);
  return given.map((entry) => {
    if (entry !== undefined) return entry;
    while (taken.has(toPfn(pfn))) pfn++;
    taken.add(toPfn(pfn));
    return openTable | addressIn(format, pfn);
  });
}

/**
 * The bits of a table entry that are the address of the next table, wherever the format keeps them.
 *
 * @param format - the codec
 * @param pfn - page-frame number of the next table
 */
export function addressIn(format: PageTableFormat, pfn: number): bigint {
  const at = format.makeTable(toPfn(pfn), false);
  const atZero = format.makeTable(toPfn(0), false);
  return fromWords(at.high ^ atZero.high, at.low ^ atZero.low);
}
