import type { KpkeysError } from "@kpkeys/core";
import { EntryType, toLevel } from "@kpkeys/core/contracts";
import type { Geometry, GeometryEvidence, PageTableFormat } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { assignEntries } from "./entries.js";
import type { GivenEntries } from "./entries.js";
import type { FaultQuestion } from "./explanation.js";
import { readValue, invalidInput } from "./inputs.js";
import { listed } from "./words.js";

/** A geometry that fits the inputs, with the entries by its levels. */
export interface FittingGeometry {
  /** The codec of this geometry. */
  readonly format: PageTableFormat;
  /** An entry for each level, or `undefined` if none was given. */
  readonly entries: readonly (bigint | undefined)[];
}

/**
 * Describes a geometry.
 *
 * @param geometry - the geometry
 * @returns `4k pages, 48-bit addresses`
 */
export function geometryText({ pageShift, addressBits }: Geometry): string {
  return `${2 ** (pageShift - 10)}k pages, ${addressBits}-bit addresses`;
}

/**
 * Reads the geometry from the inputs.
 *
 * @param inputs - as text: `48`, `4k`
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function readGeometry(inputs: FaultQuestion["inputs"]): GeometryEvidence {
  const bits = inputs["va-bits"];
  const size = inputs["page-size"];
  return {
    ...(bits !== undefined && { vaBits: Number(readValue({ name: "va-bits", bits: 6, decimal: true }, bits)) }),
    ...(size !== undefined && { pageShift: pageShiftOf(size) }),
  };
}

function pageShiftOf(text: string): number {
  const [, number, unit] = /^(\d{1,6}) ?(k?)(?:i?b)?$/i.exec(text) ?? [];
  const shift = Math.log2(Number(number) * (unit === "" ? 1 : 1024));
  if ([12, 14, 16].includes(shift)) return shift;
  throw invalidInput(`'${text}' is not a page size`, "4k, 16k or 64k", "page-size");
}

/**
 * Returns the geometries that fit the inputs. The signs in {@link FILTERS} exclude a geometry only while another one is left: the address
 * or the entry that faults may fit none.
 *
 * @param geometries - the geometries that Linux uses, the most common first
 * @param formatOf - makes the codec of a geometry
 * @param evidence - the address width and page size, as far as they are known
 * @param given - the table entries
 * @param address - the accessed address
 * @throws KpkeysError ERR_EXPLAIN_INPUT if the evidence or the entries contradict each other
 */
export function fittingGeometries(
  geometries: readonly Geometry[],
  formatOf: (geometry: Geometry) => PageTableFormat,
  { vaBits, pageShift }: GeometryEvidence,
  given: GivenEntries,
  address: bigint,
): readonly FittingGeometry[] {
  const known = geometries.filter(
    (geometry) =>
      (vaBits === undefined || vaBits === geometry.addressBits) &&
      (pageShift === undefined || pageShift === geometry.pageShift),
  );
  if (known.length === 0) {
    const asked = [
      pageShift === undefined ? "" : `${2 ** (pageShift - 10)}k pages`,
      vaBits === undefined ? "" : `${vaBits}-bit addresses`,
    ];
    throw invalidInput(
      `Linux has no ${asked.filter((text) => text !== "").join(" with ")}`,
      geometries.map(geometryText).join("; "),
      "va-bits, page-size",
    );
  }
  const assigned = known.map((geometry) => ({ geometry, assigned: assignEntries(given, geometry) }));
  const possible = assigned.flatMap(({ geometry, assigned: found }) =>
    "entries" in found ? [{ format: formatOf(geometry), entries: found.entries }] : [],
  );
  if (possible.length === 0) throw contradiction(given, assigned);

  return FILTERS.reduce((left, filter) => {
    const kept = left.filter((each) => filter(each, address));
    return kept.length === 0 ? left : kept;
  }, possible);
}

function contradiction(
  { listed: list }: GivenEntries,
  assigned: readonly { readonly geometry: Geometry; readonly assigned: ReturnType<typeof assignEntries> }[],
): KpkeysError {
  const most = Math.max(...assigned.map(({ geometry }) => geometry.levels.length));
  if (list !== undefined) return invalidInput(`there are ${list.length} entries`, `at most ${most}, the root's first`);
  const [{ assigned: first, geometry }] = assigned as [(typeof assigned)[0]];
  const names = "conflict" in first ? first.conflict : [];
  const { levels } = geometry;
  return invalidInput(`${listed(names)} differ`, `one value: with ${levels.length} levels they are the same entry`);
}

/** Signs of a geometry, the most certain first. */
const FILTERS: readonly ((fitting: FittingGeometry, address: bigint) => boolean)[] = [
  ({ format }, address) => isCanonical(format.geometry, address),
  hasNoFoldedLevel,
  endsWithWalk,
  hasAlignedAddresses,
  hasLowAddresses,
];

/** Whether the bits above the translated ones are a sign extension. */
export function isCanonical({ addressBits, splitRoots }: Geometry, address: bigint): boolean {
  const upper = BigInt.asIntN(64, address) >> BigInt(splitRoots ? addressBits : addressBits - 1);
  return upper === 0n || upper === -1n;
}

/** Linux prints the entry of a folded level twice: two levels with the same table entry are one level. */
function hasNoFoldedLevel({ format, entries }: FittingGeometry): boolean {
  return entries.every((entry, level) => {
    if (entry === undefined || level === 0 || entry !== entries[level - 1]) return true;
    const { high, low } = toWords(entry);
    return format.typeOf(toLevel(level - 1), high, low) === EntryType.LEAF;
  });
}

/** Linux prints entries up to the end of the walk: every entry but the last is a table. */
function endsWithWalk({ format, entries }: FittingGeometry): boolean {
  const last = entries.findLastIndex((entry) => entry !== undefined);
  return entries.every((entry, level) => {
    if (entry === undefined) return true;
    const { high, low } = toWords(entry);
    return (format.typeOf(toLevel(level), high, low) === EntryType.TABLE) === level < last;
  });
}

/** A table or page of 16 or 64 KiB has an address that is a multiple of its size. */
function hasAlignedAddresses({ format, entries }: FittingGeometry): boolean {
  const { pageShift } = format.geometry;
  const beyondPage = BigInt(2 ** pageShift - 2 ** 12);
  return entries.every((entry) => entry === undefined || (entry & 1n) === 0n || (entry & beyondPage) === 0n);
}

/**
 * Memory above 256 TiB is rare. An entry with such an address more likely belongs to a geometry that stores address bits elsewhere.
 */
function hasLowAddresses({ format, entries }: FittingGeometry): boolean {
  const end = 2 ** (48 - format.geometry.pageShift);
  return entries.every((entry) => {
    const { high, low } = toWords(entry ?? 0n);
    return format.pfnOf(high, low) < end;
  });
}
