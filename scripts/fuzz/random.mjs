// A generator with a seed: the same seed gives the same input on every machine.

/** Mulberry32. */
export function createRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  /** A whole number from 0 on, below a bound. */
  const below = (bound) => next() % bound;
  return { below, oneOf: (list) => list[below(list.length)] };
}
