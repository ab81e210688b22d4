import type { CpuCounters } from "../contracts/index.js";

/** What a CPU did step by step, and what it did in one. */
export interface StepCounters {
  /** Writes of the key register. */
  registerWrites: number;
  /** Synchronisations asked for by software. */
  barriers: number;
  /** Stores that are two of each of these too. */
  storesInContext: number;
}

/**
 * Makes a CPU's counts. What a store in a context stands for is added when somebody asks: the store counts once.
 *
 * @param needsBarrier - whether a write of the key register is synchronised by a barrier
 * @returns counts of nothing, and what some of them are derived from
 */
export function createCpuCounters(needsBarrier: boolean): {
  readonly counters: CpuCounters;
  readonly steps: StepCounters;
} {
  const steps = { registerWrites: 0, barriers: 0, storesInContext: 0 };
  // Accessors are added when the rest is there: V8 keeps an object with one in its literal as a hash table.
  const counters = Object.defineProperties(
    { walks: 0, faults: 0, unsynchronised: 0, tlbInvalidations: 0 },
    {
      pkeyRegisterWrites: { enumerable: true, get: () => steps.registerWrites + 2 * steps.storesInContext },
      barriers: { enumerable: true, get: () => steps.barriers + (needsBarrier ? 2 * steps.storesInContext : 0) },
    },
  ) as CpuCounters;
  return { counters, steps };
}
