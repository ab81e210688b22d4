import type { ExtensionPoints, Kpkeys, KpkeysState } from "@kpkeys/core/contracts";

/**
 * Makes every key writable for the slab allocator's and RCU's own writes. Both write objects of any key: the slab allocator the links
 * of free objects (patch 3 of the credentials series, `kpkeys_slab_write(s)`), RCU the rcu_head of the object queued before (patch 4,
 * CONFIG_KPKEYS_UNRESTRICTED_RCU). One key would be enough for each write.
 *
 * @param points - the machine's extension points
 * @param kpkeys - its kpkeys API
 */
export function guardAllocatorWrites(points: ExtensionPoints, kpkeys: Kpkeys): void {
  const guard = kpkeys.guard("UNRESTRICTED");
  const enter = (): number => guard.enter();
  const exit = (state: number): void => {
    guard.exit(state as KpkeysState);
  };
  points.on("slabInternalWrite", enter);
  points.on("slabInternalWriteDone", exit);
  points.on("rcuHeadWrite", enter);
  points.on("rcuHeadWriteDone", exit);
}
