import type { Pfn, Shrinker } from "@kpkeys/core/contracts";
import { SHRINK_STOP } from "@kpkeys/core/contracts";

/** MAX_RECLAIM_RETRIES: number of reclaim passes without progress before an allocation fails. */
const MAX_RETRIES = 16;

/** A registered cache, and its deferred count: objects still to scan that are too few for a batch. */
interface Cache {
  readonly shrinker: Shrinker;
  deferred: number;
}

/** Direct reclaim: shrinks caches before an allocation fails. */
export class Reclaim {
  private readonly caches: Cache[] = [];

  /**
   * `shrinker_register`.
   * @param shrinker - a cache of pages
   */
  register(shrinker: Shrinker): void {
    this.caches.push({ shrinker, deferred: 0 });
  }

  /**
   * Shrinks the caches until an allocation succeeds, or {@link MAX_RETRIES} passes in succession free nothing.
   * @param attempt - the allocation; returns `undefined` if it fails
   * @returns the result of the allocation; `undefined` if it did not succeed
   */
  until(attempt: () => Pfn | undefined): Pfn | undefined {
    let retries = 0;
    while (this.caches.length > 0 && retries < MAX_RETRIES) {
      const freed = this.caches.reduce((sum, cache) => sum + shrink(cache), 0);
      retries = freed > 0 ? 0 : retries + 1;
      const pfn = freed > 0 ? attempt() : undefined;
      if (pfn !== undefined) return pfn;
    }
    return undefined;
  }
}

/**
 * `do_shrink_slab` at the highest pressure: scans 4 / seeks of the freeable objects, or half of them if `seeks` is 0. A remainder
 * smaller than a batch is deferred to the next pass.
 */
function shrink(cache: Cache): number {
  const { shrinker } = cache;
  const freeable = shrinker.count();
  if (freeable === 0) return 0;
  const share = shrinker.seeks === 0 ? Math.floor(freeable / 2) : Math.floor((freeable * 4) / shrinker.seeks);
  let total = Math.min(cache.deferred + share, 2 * freeable);
  let freed = 0;
  while (total > 0 && (total >= shrinker.batch || total >= freeable)) {
    const batch = Math.min(shrinker.batch, total);
    const result = shrinker.scan(batch);
    if (result === SHRINK_STOP) break;
    freed += result;
    total -= batch;
  }
  cache.deferred = total;
  return freed;
}
