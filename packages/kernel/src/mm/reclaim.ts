import type { Shrinker } from "@kpkeys/core/contracts";

/** MAX_RECLAIM_RETRIES: how often reclaim is tried without success before an allocation fails. */
const MAX_RETRIES = 16;

/** Direct reclaim: asks caches for pages before an allocation fails. */
export interface Reclaim {
  /**
   * `shrinker_register`.
   * @param shrinker - a cache of pages
   */
  register(shrinker: Shrinker): void;
  /**
   * Shrinks until an allocation succeeds or nothing more comes.
   * @param attempt - the allocation; -1 when it fails
   * @returns what the last attempt gave
   */
  until(attempt: () => number): number;
}

/** Makes reclaim that knows no cache yet. */
export function createReclaim(): Reclaim {
  const shrinkers: { readonly shrinker: Shrinker; deferred: number }[] = [];

  /**
   * `do_shrink_slab` at the highest pressure: a cache whose objects cost seeks is asked for 4 / seeks of them, one whose objects cost
   * none for half; what is too little for a batch is asked for next time.
   */
  function shrink(cache: (typeof shrinkers)[number]): number {
    const { shrinker } = cache;
    const freeable = shrinker.count();
    if (freeable === 0) return 0;
    const share = shrinker.seeks === 0 ? Math.floor(freeable / 2) : Math.floor((freeable * 4) / shrinker.seeks);
    let total = Math.min(cache.deferred + share, 2 * freeable);
    let freed = 0;
    while (total > 0 && (total >= shrinker.batch || total >= freeable)) {
      const wanted = Math.min(shrinker.batch, total);
      const got = shrinker.scan(wanted);
      if (got < 0) break;
      freed += got;
      total -= wanted;
    }
    cache.deferred = total;
    return freed;
  }

  return {
    register(shrinker) {
      shrinkers.push({ shrinker, deferred: 0 });
    },
    until(attempt) {
      let retries = 0;
      while (shrinkers.length > 0 && retries < MAX_RETRIES) {
        const freed = shrinkers.reduce((sum, cache) => sum + shrink(cache), 0);
        retries = freed > 0 ? 0 : retries + 1;
        const pfn = freed > 0 ? attempt() : -1;
        if (pfn >= 0) return pfn;
      }
      return -1;
    },
  };
}
