/** The size and the policy of a TLB. With 0 sets or 0 ways the CPU has no TLB: every access walks. */
export interface TlbGeometry {
  /** Number of sets, a power of two. The lowest bits of the page number select the set. */
  readonly sets: number;
  /** Number of translations in a set. */
  readonly ways: number;
  /** Which translation of a full set is evicted: the least recently used, the first one in, or a random one. */
  readonly replacement: "lru" | "fifo" | "random";
  /** Seed of `random`, an integer; equal seeds give equal choices. The machine's seed if left out. */
  readonly seed: number;
}

/** Direct-mapped, 1,024 translations. */
export const DEFAULT_TLB: TlbGeometry = { sets: 1024, ways: 1, replacement: "lru", seed: 1 };

/** Maximal number of translations. */
const MOST_ENTRIES = 2 ** 20;

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MOST_ENTRIES;

/**
 * Reads the geometry of a TLB from a machine's specification.
 *
 * @param option - an object with some of the fields of {@link TlbGeometry}; the others are those of {@link DEFAULT_TLB}
 * @param refuse - makes the error from a description and the valid values
 * @returns the geometry
 * @throws the error of `refuse`, for an unknown field or an invalid value
 */
export function readTlbGeometry(option: unknown, refuse: (what: string, expected: string) => Error): TlbGeometry {
  if (typeof option !== "object" || option === null || Array.isArray(option)) {
    throw refuse("option 'tlb' is not an object", "an object with sets, ways, replacement or seed");
  }
  const { sets, ways, replacement, seed, ...others }: Record<string, unknown> = { ...DEFAULT_TLB, ...option };
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw refuse(`unknown field '${unknown}' of option 'tlb'`, "sets, ways, replacement or seed");
  }
  if (!isCount(sets) || (sets & (sets - 1)) !== 0) throw refuse("option 'tlb.sets' is invalid", "0 or a power of two");
  if (!isCount(ways) || sets * ways > MOST_ENTRIES) {
    throw refuse("option 'tlb.ways' is invalid", `an integer from 0, and at most ${MOST_ENTRIES} entries`);
  }
  if (replacement !== "lru" && replacement !== "fifo" && replacement !== "random") {
    throw refuse("option 'tlb.replacement' is invalid", "lru, fifo or random");
  }
  if (!Number.isSafeInteger(seed)) throw refuse("option 'tlb.seed' is invalid", "an integer");
  return { sets, ways, replacement, seed: seed as number };
}
