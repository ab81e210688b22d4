import { EntryType, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Geometry, PageTableFormat } from "@kpkeys/core/contracts";
import { fromWords, toWords } from "@kpkeys/core/machine";
import type { ExplainInput, FaultQuestion, Reason } from "./explanation.js";
import { invalidInput, readValue } from "./inputs.js";
import { listed, wasOrWere } from "./words.js";

/** Linux's names of the levels. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;
type LevelName = (typeof LEVEL_NAMES)[number];

/** The table entries by Linux's names, and the geometry of the tables: inputs of every architecture. */
export const TABLE_ENTRY_INPUTS: readonly ExplainInput[] = [
  ...LEVEL_NAMES.map((name) => [name, `the ${name} entry, as an oops prints it`] as const),
  ["va-bits", "width of virtual addresses in bits, as an oops prints it: 48-bit VAs"] as const,
  ["page-size", "page size, as an oops prints it: 4k pages"] as const,
].map(([name, description]) => ({ name, label: name, description, required: false }));

/** Table entries as given. */
export interface GivenEntries {
  /** Entries by Linux's name of the level. */
  readonly named: Readonly<Partial<Record<LevelName, bigint>>>;
  /** Entries from the root down; `undefined` if they were given by name. */
  readonly listed: readonly bigint[] | undefined;
}

/**
 * Reads the table entries of a question.
 *
 * @param question - the inputs as text
 * @throws KpkeysError ERR_EXPLAIN_INPUT for an entry that is not a number, or entries in both forms
 */
export function readEntries({ inputs, entries }: FaultQuestion): GivenEntries {
  const read = (name: string, text: string): bigint => readValue({ name, bits: 64 }, text);
  const names = LEVEL_NAMES.filter((name) => inputs[name] !== undefined);
  if (entries === undefined) {
    return { named: Object.fromEntries(names.map((name) => [name, read(name, inputs[name]!)])), listed: undefined };
  }
  if (names.length > 0) throw invalidInput(`entries and ${names[0]!} are both given`, "one of them");
  return { named: {}, listed: entries.map((text) => read("entries", text)) };
}

/** Whether any entry was given. */
export function hasEntries({ named, listed: list }: GivenEntries): boolean {
  return Object.keys(named).length > 0 || (list !== undefined && list.length > 0);
}

/** The names under which Linux prints the entry of a level: its own, and those of the levels folded into it. */
export function namesOfLevel({ levels }: Geometry, level: number): readonly LevelName[] {
  const at = (name: string | undefined): number => LEVEL_NAMES.findIndex((each) => each === name);
  const next = levels[level + 1];
  return LEVEL_NAMES.slice(at(levels[level]!.name), next === undefined ? undefined : at(next.name));
}

/**
 * Assigns entries to the levels of a geometry. Linux prints a folded level under its own name, with the value of the level above or,
 * if it is folded at run time, 0.
 *
 * @param given - the entries
 * @param geometry - the geometry of the tables
 * @returns an entry for each level, `undefined` if none was given; or the names of contradicting entries
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
 * Completes the entries of a walk, the leaf last: checks that they can belong to one walk, and adds the missing tables above a given
 * entry.
 *
 * @param given - an entry for each level, or `undefined`
 * @param format - their codec
 * @param openTable - a table entry that denies nothing, without its address
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
  if (depth === 0)
    throw invalidInput("no table entry was given", "pte and the entries above it, or entries from the root down");

  given.slice(0, depth).forEach((entry, level) => {
    if (entry === undefined) return;
    const { high, low } = toWords(entry);
    const type = format.typeOf(toLevel(level), high, low);
    const name = levels[level]!.name;
    const next = levels[level + 1]?.name ?? "";
    if (type === EntryType.LEAF && level < depth - 1) {
      throw invalidInput(`${name} is a leaf, and ${levels[depth - 1]!.name} is given too`, "the entries of one walk");
    }
    if (type === EntryType.TABLE && level === depth - 1 && !unreadable) {
      throw invalidInput(`${next} was not given, and ${name} points to a table`, `${next}, and those below it`);
    }
  });

  const missing = given.slice(0, depth).flatMap((entry, level) => (entry === undefined ? [level] : []));
  const names = missing.map((level) => levels[level]!.name);
  const text = `${listed(names)} ${wasOrWere(names)} not given: assumed to deny nothing`;
  return {
    entries: addMissing(given.slice(0, depth), format, openTable),
    assumed: missing.length === 0 ? [] : [{ topic: "assumed", text }],
  };
}

/** Puts missing tables in frames that no given entry points to. */
function addMissing(given: readonly (bigint | undefined)[], format: PageTableFormat, openTable: bigint): bigint[] {
  const used = new Set(
    given.flatMap((entry) => {
      const { high, low } = toWords(entry ?? 0n);
      return entry === undefined ? [] : [format.pfnOf(high, low)];
    }),
  );
  let pfn = used.size === 0 ? 1 : Math.min(...used);
  return given.map((entry) => {
    if (entry !== undefined) return entry;
    while (used.has(toPfn(pfn))) pfn++;
    used.add(toPfn(pfn));
    return openTable | addressIn(format, pfn);
  });
}

/**
 * Returns the bits of a table entry that hold the address of the next table.
 *
 * @param format - the codec
 * @param pfn - page-frame number of the next table
 */
export function addressIn(format: PageTableFormat, pfn: number): bigint {
  const at = format.makeTable(toPfn(pfn), false);
  const atZero = format.makeTable(toPfn(0), false);
  return fromWords(at.high ^ atZero.high, at.low ^ atZero.low);
}
