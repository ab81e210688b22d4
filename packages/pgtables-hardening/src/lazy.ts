import type { ExtensionPoints, Kpkeys, KpkeysState, StaticKey } from "@kpkeys/core/contracts";

/**
 * Enters the context once for a lazy MMU section (patch "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches"). The state stays
 * with the task, because a section may be preempted and go on on another CPU. Leaving looks at that state alone: the section
 * may have begun before the static key was on.
 *
 * @param points - the machine's extension points
 * @param kpkeys - its kpkeys API
 * @param key - whether the hardening is on
 */
export function batchLazySections(points: ExtensionPoints, kpkeys: Kpkeys, key: StaticKey): void {
  const section = kpkeys.guardCond("PGTABLES", () => key.enabled);

  points.on("lazyMmuEnter", () => section.enter());
  points.on("lazyMmuLeave", (slot, barrierFollows) => {
    const state = slot as KpkeysState;
    if (barrierFollows) kpkeys.leaveContextBeforeBarrier(state);
    else section.exit(state);
  });
}
