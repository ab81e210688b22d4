/** Random numbers that are the same for the same seed: what a rule tries can be tried again. */
export interface Random {
  /**
   * A whole number.
   * @param end - one past the largest, up to 2^32
   */
  below(end: number): number;
  /**
   * A whole number of any width.
   * @param end - one past the largest
   */
  bigBelow(end: bigint): bigint;
  /**
   * One of several.
   * @param items - at least one
   */
  oneOf<T>(items: readonly T[]): T;
}

/**
 * Makes the numbers: the murmur3 finaliser over a Weyl sequence.
 *
 * @param seed - where they begin
 */
export function createRandom(seed: number): Random {
  let state = seed | 0;

  function word(): number {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }

  const below = (end: number): number => word() % end;
  return {
    below,
    bigBelow: (end) => ((BigInt(word()) << 32n) | BigInt(word())) % end,
    oneOf: (items) => items[below(items.length)]!,
  };
}
