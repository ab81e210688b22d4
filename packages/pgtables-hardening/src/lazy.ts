import type { ExtensionPoints, Guard, Kpkeys, KpkeysState } from "@kpkeys/core/contracts";

/**
 * Enters the context once for a lazy MMU section (patch "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches"). The state is kept in
 * the task, because a section may be preempted and continue on another CPU. Leaving checks the state, not the static key: the
 * section may have begun before the key was on.
 *
 * @param points - the machine's extension points
 * @param kpkeys - its kpkeys API
 * @param guard - enters the context
 */
export function batchLazySections(points: ExtensionPoints, kpkeys: Kpkeys, guard: Guard): void {
  points.on("lazyMmuEnter", () => guard.enter());
  points.on("lazyMmuLeave", (slot, barrierFollows) => {
    const state = slot as KpkeysState;
    if (barrierFollows) kpkeys.leaveContextBeforeBarrier(state);
    else guard.exit(state);
  });
}
