import { fromWords } from "./words.js";

/** How a generator goes on, and how it mixes where it is. */
export interface Generator {
  /** What is added to the state before each number: odd, so that all 2^32 states are visited. */
  readonly step: number;
  /** Mixes a state. @param state - 32 bits @returns 32 bits */
  readonly mix: (state: number) => number;
}

/** The finaliser of MurmurHash3: neighbouring seeds differ from the first number on. */
export const MURMUR3: Generator = {
  step: 0x9e3779b9,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  },
};

/**
 * mulberry32, by Tommy Ettinger (public domain). The sizes of a micro-benchmark and the ranges of the cost model depend on its
 * numbers, published ones included.
 */
export const MULBERRY32: Generator = {
  step: 0x6d2b79f5,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return mixed ^ (mixed >>> 14);
  },
};

/** A hash with little bias that hash-prospector found (Chris Wellons, public domain). The samples of recordings depend on its numbers. */
export const HASH_PROSPECTOR: Generator = {
  step: 0xc2b2ae35,
  mix(state) {
    let mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
    return mixed ^ (mixed >>> 15);
  },
};

/** Numbers that look random and are the same for the same seed, so that what was tried can be tried again. */
export class Random {
  private state: number;

  /**
   * @param seed - where they begin, a whole number, of which 32 bits count
   * @param generator - which numbers they are
   */
  constructor(
    seed: number,
    private readonly generator: Generator = MURMUR3,
  ) {
    this.state = seed | 0;
  }

  /** A whole number below 2^32. */
  word(): number {
    this.state = (this.state + this.generator.step) | 0;
    return this.generator.mix(this.state) >>> 0;
  }

  /** A whole number. @param end - one past the largest, up to 2^32 */
  below(end: number): number {
    return this.word() % end;
  }

  /** A whole number of up to 64 bits. @param end - one past the largest */
  bigBelow(end: bigint): bigint {
    return fromWords(this.word(), this.word()) % end;
  }

  /** A number from 0 to below 1. */
  fraction(): number {
    return this.word() / 2 ** 32;
  }

  /** One of several. @param items - at least one */
  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
