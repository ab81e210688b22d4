import type { KpkeysError } from "@kpkeys/core";
import { EntryType, toLevel } from "@kpkeys/core/contracts";
import type { Geometry, GeometryEvidence, PageTableFormat } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { assignEntries } from "./entries.js";
import type { GivenEntries } from "./entries.js";
import type { FaultQuestion } from "./explanation.js";
import { readValue, refuseInput } from "./inputs.js";
import { listed } from "./words.js";

/** A shape that fits what was given, with the entries by its levels. */
export interface FittingGeometry {
  /** The codec of this shape. */
  readonly format: PageTableFormat;
  /** An entry for each level, or `undefined` where none was given. */
  readonly entries: readonly (bigint | undefined)[];
}

/**
 * A shape in words.
 *
 * @param geometry - the shape
 * @returns `4k pages, 48-bit addresses`
 */
export function geometryText({ pageShift, addressBits }: Geometry): string {
  return `${2 ** (pageShift - 10)}k pages, ${addressBits}-bit addresses`;
}

/**
 * Reads what the inputs say of the shape.
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
  throw refuseInput(`'${text}' is no page size`, "4k, 16k or 64k", "page-size");
}

/**
 * The shapes that fit what is known. Entries and address rule shapes out as far as some shape is left: a fault may well come
 * from an address or an entry that fits none.
 *
 * @param geometries - the shapes that Linux uses, the commonest first
 * @param formatOf - the codec of a shape
 * @param evidence - what was given, each piece with its origin
 * @param given - the table entries
 * @param address - what was accessed
 * @returns the shapes that are left
 * @throws KpkeysError ERR_EXPLAIN_INPUT where evidence or entries contradict each other
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
    throw refuseInput(
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
  if (list !== undefined) return refuseInput(`there are ${list.length} entries`, `at most ${most}, the root's first`);
  const [{ assigned: first, geometry }] = assigned as [(typeof assigned)[0]];
  const names = "conflict" in first ? first.conflict : [];
  const { levels } = geometry;
  return refuseInput(`${listed(names)} differ`, `one value: with ${levels.length} levels they are the same entry`);
}

/** Signs of a shape, the most certain first. */
const FILTERS: readonly ((fitting: FittingGeometry, address: bigint) => boolean)[] = [
  ({ format }, address) => isCanonical(format.geometry, address),
  hasNoFoldedLevel,
  endsProperly,
  hasAlignedAddresses,
  hasUsualAddresses,
];

/** Whether the bits above those that are translated are as they must be. */
export function isCanonical({ addressBits, splitRoots }: Geometry, address: bigint): boolean {
  const upper = BigInt.asIntN(64, address) >> BigInt(splitRoots ? addressBits : addressBits - 1);
  return upper === 0n || upper === -1n;
}

/** Linux prints a folded level again: two levels with the same table entry are one. */
function hasNoFoldedLevel({ format, entries }: FittingGeometry): boolean {
  return entries.every((entry, level) => {
    if (entry === undefined || level === 0 || entry !== entries[level - 1]) return true;
    const { high, low } = toWords(entry);
    return format.typeOf(toLevel(level - 1), high, low) === EntryType.LEAF;
  });
}

/** Linux prints entries as far as the walk comes, and no further. */
function endsProperly({ format, entries }: FittingGeometry): boolean {
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
 * Memory from 256 TiB on is rare: an entry that names some, in a shape that keeps address bits elsewhere, is more likely one of
 * another shape.
 */
function hasUsualAddresses({ format, entries }: FittingGeometry): boolean {
  const end = 2 ** (48 - format.geometry.pageShift);
  return entries.every((entry) => {
    const { high, low } = toWords(entry ?? 0n);
    return format.pfnOf(high, low) < end;
  });
}
