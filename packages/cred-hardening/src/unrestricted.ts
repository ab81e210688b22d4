import type { ExtensionPoints, Kpkeys, KpkeysState } from "@kpkeys/core/contracts";

/**
 * Opens every key for the allocator's and RCU's own writes. Both write objects of others, whatever their key: the slab allocator the
 * links of free ones (patch 3 of the credentials series, `kpkeys_slab_write(s)`), RCU the rcu_head of the one queued before (patch 4,
 * CONFIG_KPKEYS_UNRESTRICTED_RCU). That is safe, and more than either needs.
 *
 * @param points - the machine's extension points
 * @param kpkeys - its kpkeys API
 */
export function openForOwners(points: ExtensionPoints, kpkeys: Kpkeys): void {
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
