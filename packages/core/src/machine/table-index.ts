import type { Geometry, PageTableFormat } from "../contracts/index.js";

/**
 * Makes the function of a codec that returns the index of an address in the table of a level.
 *
 * @param geometry - the shape of the tables; a table has at most 2^31 entries
 * @returns the function: {@link PageTableFormat.index}
 */
export function tableIndex({ levels }: Geometry): PageTableFormat["index"] {
  const shifts = levels.map(({ shift }) => shift);
  const masks = levels.map(({ indexBits }) => 2 ** indexBits - 1);
  return (level, high, low) => {
    const shift = shifts[level]!;
    const bits = shift < 32 ? (high << (32 - shift)) | (low >>> shift) : high >>> (shift - 32);
    return bits & masks[level]!;
  };
}
