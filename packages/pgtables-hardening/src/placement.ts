import { lazily } from "@kpkeys/core";
import { Exceptions } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys, KpkeysState, StaticKey } from "@kpkeys/core/contracts";

/** No context entered: what a guard gives whose condition does not hold. */
const NOT_ENTERED = 0 as KpkeysState;

/**
 * Opens the tables for longer than a setter: while a page-table lock is held (Vlastimil Babka on "PKS write protected page tables",
 * May 2021), or for a whole kernel operation. Locks nest; the outermost opens. The key register stays as it is until the section ends
 * on the CPU where it began: a lock keeps its holder there, and the operations of the model do not sleep.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param key - whether the hardening is on
 * @param placement - which of the two
 * @returns whether the tables are open, so that a setter need not open them; false in interrupt, where the register may have been reset
 */
export function openForLonger(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  key: StaticKey,
  placement: "table-lock" | "operation",
): () => boolean {
  const exceptions = lazily(container, Exceptions);
  const section = kpkeys.guardCond("PGTABLES", () => key.enabled);
  let depth = 0;
  let state = NOT_ENTERED;

  const enter = (): void => {
    if (depth++ === 0) state = section.enter();
  };
  const leave = (): void => {
    if (--depth > 0) return;
    section.exit(state);
    state = NOT_ENTERED;
  };
  if (placement === "table-lock") {
    points.on("tableLocked", enter);
    points.on("tableUnlocking", leave);
  } else {
    points.on("operationEnter", enter);
    points.on("operationExit", leave);
  }
  return () => state !== NOT_ENTERED && !exceptions().inInterrupt;
}
