import type { Arm64Geometry } from "./geometry.js";

// TCR_EL1 (Arm ARM, TCR_EL1).
//
//   59  42    41    40  39  38    37    36  34 .. 32  31 30  21 .. 16  15 14  5 .. 0
//   DS  HPD1  HPD0  HD  HA  TBI1  TBI0  AS  IPS       TG1    T1SZ      TG0    T0SZ

/** TCR_EL1.HA, bit 39: hardware sets the access flag. */
export const TCR_HA: bigint = 1n << 39n;
/** TCR_EL1.HD, bit 40: hardware keeps the dirty state. */
export const TCR_HD: bigint = 1n << 40n;
/** TCR_EL1.HPD0, bit 41: no hierarchical permissions below TTBR0_EL1. */
export const TCR_HPD0: bigint = 1n << 41n;
/** TCR_EL1.HPD1, bit 42: no hierarchical permissions below TTBR1_EL1. */
export const TCR_HPD1: bigint = 1n << 42n;
/** TCR_EL1.TBI0, bit 37: the top byte of addresses below TTBR0_EL1 is a tag. */
export const TCR_TBI0: bigint = 1n << 37n;
/** TCR_EL1.TBI1, bit 38: the top byte of addresses below TTBR1_EL1 is a tag. */
export const TCR_TBI1: bigint = 1n << 38n;
/** TCR_EL1.AS, bit 36: ASIDs of 16 bits. */
const TCR_AS = 1n << 36n;
/** TCR_EL1.DS, bit 59: descriptors of FEAT_LPA2; ignored with pages of 64 KiB. */
export const TCR_DS: bigint = 1n << 59n;
/** Lowest bit of TCR_EL1.IPS. */
export const TCR_IPS_SHIFT = 32n;
/** TCR_EL1.IPS. */
export const TCR_IPS: bigint = 7n << TCR_IPS_SHIFT;
/** Width of output addresses by IPS. */
export const IPS_BITS: readonly number[] = [32, 36, 40, 42, 44, 48, 52];
/** log2 of the page size by TG0. */
export const TG0_SHIFTS: readonly number[] = [12, 16, 14];
/** log2 of the page size by TG1, which has another encoding. */
export const TG1_SHIFTS: readonly (number | undefined)[] = [undefined, 14, 12, 16];

/**
 * TCR_EL1 as Linux sets it: both halves alike, hardware access flag and dirty state, 16-bit ASIDs.
 *
 * @param geometry - the shape of the tables
 * @param physicalAddressBits - width of output addresses, 32 to 52
 */
export function tcrOf({ pageShift, addressBits, lpa2 }: Arm64Geometry, physicalAddressBits: number): bigint {
  const size = BigInt(64 - addressBits);
  const ips = BigInt(IPS_BITS.findIndex((bits) => bits >= physicalAddressBits));
  const granules = (BigInt(TG1_SHIFTS.indexOf(pageShift)) << 30n) | (BigInt(TG0_SHIFTS.indexOf(pageShift)) << 14n);
  const controls = TCR_HA | TCR_HD | TCR_AS | (lpa2 ? TCR_DS : 0n);
  return controls | (ips << TCR_IPS_SHIFT) | granules | (size << 16n) | size;
}
