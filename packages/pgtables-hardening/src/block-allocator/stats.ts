import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** What the block allocator of one machine did, for reports and tests. Only on machines whose tables it allocates. */
export interface BlockAllocatorStats {
  /** Pages in the pool now: `nr_cached`. */
  readonly cached: number;
  /** How many refills each order has served. */
  readonly refills: ReadonlyMap<number, number>;
  /** Refills from before the linear map could be split: all but the first stay unprotected. */
  readonly earlyRegions: number;
  /** Pages charged to memory cgroups so far. */
  readonly charged: number;
  /** Pages whose charge was taken back. */
  readonly uncharged: number;
}

/** Token of {@link BlockAllocatorStats}. */
export const BlockAllocatorStats: Token<BlockAllocatorStats> = token("BlockAllocatorStats");
