import { once, resolve } from "@kpkeys/core";
import { LazyMmu, SETTERS } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys, StaticKey } from "@kpkeys/core/contracts";
import type { PgtablesOptions } from "./options.js";
import { openForLonger } from "./placement.js";

/** Compared with what a static key's field holds, which the compiler would else take for a value of any type. */
const ON = true;

/**
 * Puts the guard `kpkeys_hardened_pgtables` into the setters (patch "arm64: kpkeys: Guard page table writes"). With batching it
 * does nothing inside a lazy MMU section, which has entered the context already; is_lazy_mmu_mode_active() is false in
 * interrupt and while the mode is paused, where each setter opens by itself again. v4 asked the thread flag, which an interrupt
 * leaves as it is. Inside a section that is open for longer it does nothing either.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param key - whether the hardening is on
 * @param options - whether to batch, and which setters stay without
 */
export function guardSetters(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  key: StaticKey,
  options: Required<PgtablesOptions>,
): void {
  const isActive = once(() => resolve(container, LazyMmu).isActive);
  const isEnabled = once(() => resolve(container, LazyMmu).isEnabled);
  const outsideLazyMmu = !options.batching
    ? () => key.enabled === ON
    : options.batchingInInterrupt
      ? () => key.enabled === ON && !isEnabled()()
      : () => key.enabled === ON && !isActive()();
  const { placement } = options;
  let isNeeded = outsideLazyMmu;
  if (placement === "table-lock" || placement === "operation") {
    const isOpen = openForLonger(container, points, kpkeys, key, placement);
    isNeeded = () => outsideLazyMmu() && !isOpen();
  }
  const guard = kpkeys.guardCond("PGTABLES", isNeeded);
  for (const setter of SETTERS) {
    if (!options.unguarded.includes(setter)) points.setGuard(setter, guard);
  }
}
