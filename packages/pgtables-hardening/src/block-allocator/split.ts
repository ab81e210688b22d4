import { Errno } from "@kpkeys/core/contracts";
import type { TableAllocator } from "@kpkeys/core/contracts";
import { RESERVED_PAGES } from "./geometry.js";
import type { RefillMutex } from "./mutex.js";
import type { Pool } from "./pool.js";
import type { Refiller } from "./refill.js";

/**
 * What code that splits the linear map asks. Half of the reserve is for the split in a refill: that one needs no preparation,
 * whoever owns the mutex is always ready. The other half is for any other split, and is there again before it begins.
 *
 * @param pool - whose reserve it is
 * @param mutex - whose owner is refilling or shrinking
 * @param refiller - replenishes
 * @returns the two questions of {@link TableAllocator}
 */
export function createSplitRule(
  pool: Pool,
  mutex: RefillMutex,
  refiller: Refiller,
): Pick<TableAllocator, "prepareSplit" | "readyForSplit"> {
  const full = (): boolean => pool.cached >= RESERVED_PAGES;
  return {
    prepareSplit() {
      if (full() || mutex.ownedByCurrent()) return 0;
      return refiller.refill(false) === undefined ? Errno.ENOMEM : 0;
    },
    readyForSplit: () => full() || mutex.ownedByCurrent(),
  };
}
