/** The size and the policy of a TLB. Either number 0 means a CPU without one: every access walks. */
export interface TlbGeometry {
  /** Number of sets, a power of two; the lowest bits of a page's number choose among them. */
  readonly sets: number;
  /** Translations that a set holds. */
  readonly ways: number;
  /** Which translation of a full set gives way: the least recently used, the first one in, or any. */
  readonly replacement: "lru" | "fifo" | "random";
  /** Where `random` begins, a whole number: equal seeds, equal choices. The machine's seed where the option leaves it out. */
  readonly seed: number;
}

/** 1,024 translations, each in the one place that its page has. */
export const DEFAULT_TLB: TlbGeometry = { sets: 1024, ways: 1, replacement: "lru", seed: 1 };

/** Most translations that a TLB may hold. */
const MOST_ENTRIES = 2 ** 20;

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MOST_ENTRIES;

/**
 * Reads a TLB's geometry as a machine's specification gives it.
 *
 * @param option - an object with some of the fields of {@link TlbGeometry}; those of {@link DEFAULT_TLB} fill it up
 * @param refuse - makes the error for what is wrong and what was expected
 * @returns the geometry
 * @throws what `refuse` makes, for a field that does not exist or has an impossible value
 */
export function readTlbGeometry(option: unknown, refuse: (what: string, expected: string) => Error): TlbGeometry {
  if (typeof option !== "object" || option === null || Array.isArray(option)) {
    throw refuse("option 'tlb' is no object", "an object with sets, ways, replacement or seed");
  }
  const { sets, ways, replacement, seed, ...others }: Record<string, unknown> = { ...DEFAULT_TLB, ...option };
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw refuse(`unknown field '${unknown}' of option 'tlb'`, "sets, ways, replacement or seed");
  }
  if (!isCount(sets) || (sets & (sets - 1)) !== 0)
    throw refuse("option 'tlb.sets' is impossible", "0 or a power of two");
  if (!isCount(ways) || sets * ways > MOST_ENTRIES) {
    throw refuse("option 'tlb.ways' is impossible", `a whole number from 0, and no more than ${MOST_ENTRIES} entries`);
  }
  if (replacement !== "lru" && replacement !== "fifo" && replacement !== "random") {
    throw refuse("option 'tlb.replacement' is unknown", "lru, fifo or random");
  }
  if (!Number.isSafeInteger(seed)) throw refuse("option 'tlb.seed' is no whole number", "a whole number");
  return { sets, ways, replacement, seed: seed as number };
}
