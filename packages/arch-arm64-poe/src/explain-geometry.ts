import { KpkeysError } from "@kpkeys/core";
import type { FaultReport } from "@kpkeys/core/contracts";
import type { GeometryCase, GeometryEvidence, ReadInputs } from "@kpkeys/core/machine";
import { statusOf } from "./fault.js";
import { LEVEL_MINUS_ONE } from "./fault-status.js";
import { createGeometry } from "./format.js";

const LPA2 = "the model has no 52-bit descriptors (FEAT_LPA2)";

/** Linux's choices of ARM64_VA_BITS by page size (arch/arm64/Kconfig), the commonest first. */
export const ARM64_GEOMETRIES: readonly GeometryCase[] = [
  { geometry: createGeometry(12, 48) },
  { geometry: createGeometry(12, 39) },
  { geometry: createGeometry(14, 47) },
  { geometry: createGeometry(14, 48) },
  { geometry: createGeometry(14, 36) },
  { geometry: createGeometry(16, 48) },
  { geometry: createGeometry(16, 42) },
  { geometry: createGeometry(16, 52) },
  { geometry: createGeometry(12, 52), limit: LPA2 },
  { geometry: createGeometry(14, 52), limit: LPA2 },
];

// TCR_EL1 (Arm ARM, section D24.2).
//
//   59  38    37    34 .. 32  31 30  21 .. 16  15 14  5 .. 0
//   DS  TBI1  TBI0  IPS       TG1    T1SZ      TG0    T0SZ

const TCR_DS = 1n << 59n;
/** log2 of the page size by TG0, and by TG1, which has another encoding. */
const TG0 = [12, 16, 14];
const TG1 = [undefined, 14, 12, 16];
/** Width of output addresses by IPS. */
const IPS = [32, 36, 40, 42, 44, 48, 48];
/** Lowest bit of TCR_EL1.IPS. */
export const TCR_IPS_SHIFT = 32n;
/** TCR_EL1.IPS. */
export const TCR_IPS: bigint = 7n << TCR_IPS_SHIFT;
/** Values of IPS for less than 48 bits, the widest first. */
export const NARROWER: readonly bigint[] = [4n, 3n, 2n, 1n, 0n];

/**
 * Width of output addresses: TCR_EL1.IPS, 48 at most.
 *
 * @param tcr - TCR_EL1
 */
export function addressBitsOf(tcr: bigint): number {
  return IPS[Number((tcr & TCR_IPS) >> TCR_IPS_SHIFT)] ?? 48;
}

/**
 * What TCR_EL1 says of the tables of an address, if it was given.
 *
 * @param inputs - the inputs
 * @param report - has the address
 * @throws KpkeysError ERR_EXPLAIN_LIMIT for 52-bit descriptors
 */
export function geometryOf({ values, given }: ReadInputs, { addressHigh, syndromeLow }: FaultReport): GeometryEvidence {
  if (LEVEL_MINUS_ONE.has(statusOf(syndromeLow))) throw limit("a fault of level -1", LPA2);
  if (given["tcr"] === undefined) return {};
  const tcr = values["tcr"]!;
  if ((tcr & TCR_DS) !== 0n) throw limit("TCR_EL1.DS is 1", LPA2);
  const upper = ((addressHigh >>> 23) & 1) === 1;
  const size = Number((tcr >> (upper ? 16n : 0n)) & 63n);
  const granule = Number((tcr >> (upper ? 30n : 14n)) & 3n);
  const pageShift = upper ? TG1[granule] : TG0[granule];
  return { vaBits: 64 - size, ...(pageShift !== undefined && { pageShift }) };
}

function limit(what: string, why: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_LIMIT", `${what}: ${why}`, { expected: "addresses of up to 48 bits" });
}
