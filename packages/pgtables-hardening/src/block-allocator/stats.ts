import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** Counters of one machine's block allocator, for reports and tests. Registered only with `tagging` `block-allocator`. */
export interface BlockAllocatorStats {
  /** Pages in the pool now: `nr_cached`. */
  readonly cached: number;
  /** Number of refills by the order of their chunk. */
  readonly refills: ReadonlyMap<number, number>;
  /** Refills before the linear map may be split. All but the first stay unprotected. */
  readonly earlyRegions: number;
  /** Pages charged to memory cgroups so far. */
  readonly charged: number;
  /** Pages uncharged so far. */
  readonly uncharged: number;
}

/** Token of {@link BlockAllocatorStats}. */
export const BlockAllocatorStats: Token<BlockAllocatorStats> = token("BlockAllocatorStats");
