/**
 * A generator of numbers that look random and are the same for every machine (mulberry32, by Tommy Ettinger, public domain).
 * @param seed - any integer
 * @returns gives the next number, 0 or more and less than 1
 */
export function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
