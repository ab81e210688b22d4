import { fromWords } from "./words.js";

/** A generator of pseudo-random numbers: a counter with a step, and a mixing function. */
export interface Generator {
  /** The increment of the state before each number: odd, so that the period is 2^32. */
  readonly step: number;
  /** Mixes a state. @param state - 32 bits @returns 32 bits */
  readonly mix: (state: number) => number;
}

/** The finaliser of MurmurHash3. Adjacent seeds give different first numbers. */
export const MURMUR3: Generator = {
  step: 0x9e3779b9,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  },
};

/**
 * mulberry32, by Tommy Ettinger (public domain). Published results depend on its numbers: the sizes in a micro-benchmark and the
 * ranges of the cost model.
 */
export const MULBERRY32: Generator = {
  step: 0x6d2b79f5,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return mixed ^ (mixed >>> 14);
  },
};

/** A low-bias hash found by hash-prospector (Chris Wellons, public domain). The samples of recordings depend on its numbers. */
export const HASH_PROSPECTOR: Generator = {
  step: 0xc2b2ae35,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
    return mixed ^ (mixed >>> 15);
  },
};

/** Pseudo-random numbers, equal for equal seeds, so that a run can be repeated. */
export class Random {
  private state: number;

  /**
   * @param seed - an integer, of which bits 31 to 0 are used
   * @param generator - the generator
   */
  constructor(
    seed: number,
    private readonly generator: Generator = MURMUR3,
  ) {
    this.state = seed | 0;
  }

  /** An integer from 0 to 2^32 - 1. */
  word(): number {
    this.state = (this.state + this.generator.step) | 0;
    return this.generator.mix(this.state) >>> 0;
  }

  /** An integer from 0 to `end` - 1. @param end - 1 to 2^32 */
  below(end: number): number {
    return this.word() % end;
  }

  /** An integer from 0 to `end` - 1. @param end - 1 to 2^64 */
  bigBelow(end: bigint): bigint {
    return fromWords(this.word(), this.word()) % end;
  }

  /** A number from 0 up to, but not including, 1. */
  fraction(): number {
    return this.word() / 2 ** 32;
  }

  /** One of the items. @param items - at least one */
  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
