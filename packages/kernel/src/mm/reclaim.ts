import type { Pfn, Shrinker } from "@kpkeys/core/contracts";
import { SHRINK_STOP } from "@kpkeys/core/contracts";

/** MAX_RECLAIM_RETRIES: how often reclaim is tried without success before an allocation fails. */
const MAX_RETRIES = 16;

/** A cache with the number of objects that it was not asked for yet, because they are too few for a batch. */
interface Cache {
  readonly shrinker: Shrinker;
  deferred: number;
}

/** Direct reclaim: asks caches for pages before an allocation fails. */
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
   * Shrinks until an allocation succeeds or nothing more comes.
   * @param attempt - the allocation; `undefined` when it fails
   * @returns the result of the last attempt
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
 * `do_shrink_slab` at the highest pressure: a cache whose objects cost seeks is asked for 4 / seeks of them, one whose objects cost
 * none for half; what is too little for a batch is asked for next time.
 */
function shrink(cache: Cache): number {
  const { shrinker } = cache;
  const freeable = shrinker.count();
  if (freeable === 0) return 0;
  const share = shrinker.seeks === 0 ? Math.floor(freeable / 2) : Math.floor((freeable * 4) / shrinker.seeks);
  let total = Math.min(cache.deferred + share, 2 * freeable);
  let freed = 0;
  while (total > 0 && (total >= shrinker.batch || total >= freeable)) {
    const wanted = Math.min(shrinker.batch, total);
    const got = shrinker.scan(wanted);
    if (got === SHRINK_STOP) break;
    freed += got;
    total -= wanted;
  }
  cache.deferred = total;
  return freed;
}
