import { KpkeysError } from "@kpkeys/core";
import type { FaultReport, Geometry, GeometryEvidence, GivenInputs } from "@kpkeys/core/contracts";
import { statusOf } from "./fault.js";
import { LEVEL_MINUS_ONE } from "./fault-status.js";
import { ARM64_GEOMETRIES } from "./geometry.js";
import type { Arm64Geometry } from "./geometry.js";
import { IPS_BITS, TCR_DS, TCR_IPS, TCR_IPS_SHIFT, TG0_SHIFTS, TG1_SHIFTS } from "./tcr.js";

/** Values of IPS for less than 52 bits, the widest first. */
export const NARROWER: readonly bigint[] = [5n, 4n, 3n, 2n, 1n, 0n];

/**
 * One of {@link ARM64_GEOMETRIES} with the form of its descriptors.
 *
 * @param geometry - one of {@link ARM64_GEOMETRIES}, from the explanation
 * @returns the same object
 */
export function arm64GeometryOf(geometry: Geometry): Arm64Geometry {
  return ARM64_GEOMETRIES.find((each) => each === geometry)!;
}

/**
 * The width of output addresses in bits: TCR_EL1.IPS, limited to the width that descriptors hold.
 *
 * @param tcr - TCR_EL1
 * @param geometry - the shape of the tables
 */
export function addressBitsOf(tcr: bigint, geometry: Geometry): number {
  const { outputBits } = arm64GeometryOf(geometry);
  return Math.min(IPS_BITS[Number((tcr & TCR_IPS) >> TCR_IPS_SHIFT)] ?? outputBits, outputBits);
}

/**
 * The shape of the tables as far as TCR_EL1, if it was given, and the level of the fault determine it.
 *
 * @param inputs - the inputs
 * @param report - the fault
 * @returns the width of addresses and log2 of the page size, if known
 * @throws KpkeysError ERR_EXPLAIN_LIMIT for a width that Linux does not use with the value of TCR_EL1.DS
 */
export function geometryOf(
  { values, given }: GivenInputs,
  { addressHigh, syndromeLow }: FaultReport,
): GeometryEvidence {
  const level = LEVEL_MINUS_ONE.has(statusOf(syndromeLow)) ? { vaBits: 52, pageShift: 12 } : {};
  if (given["tcr"] === undefined) return level;
  const tcr = values["tcr"]!;
  const upper = ((addressHigh >>> 23) & 1) === 1;
  const vaBits = 64 - Number((tcr >> (upper ? 16n : 0n)) & 63n);
  const granule = Number((tcr >> (upper ? 30n : 14n)) & 3n);
  const pageShift = upper ? TG1_SHIFTS[granule] : TG0_SHIFTS[granule];
  const ds = (tcr & TCR_DS) !== 0n;
  if (pageShift !== 16 && ds !== (vaBits === 52)) {
    throw new KpkeysError("ERR_EXPLAIN_LIMIT", `TCR_EL1.DS is ${ds ? 1 : 0} with ${vaBits}-bit addresses`, {
      expected: "DS 1 with 52-bit addresses, 0 with others",
    });
  }
  return { vaBits, ...(pageShift !== undefined && { pageShift }) };
}
