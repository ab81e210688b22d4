import { lazily } from "@kpkeys/core";
import { Exceptions, NOT_ENTERED } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Guard } from "@kpkeys/core/contracts";

/**
 * Enters the context PGTABLES for longer than one setter: while a page-table lock is held (Vlastimil Babka on "PKS write protected
 * page tables", May 2021), or for a whole kernel operation. Locks nest; the outermost one enters. The section ends on the CPU where it
 * began: a lock keeps its holder there, and the operations of the model do not sleep.
 */
export class OpenSection {
  private readonly exceptions: () => Exceptions;
  private depth = 0;
  private state = NOT_ENTERED;

  /**
   * @param container - the machine's container
   * @param points - its extension points
   * @param guard - enters the context
   * @param placement - the kind of section
   */
  constructor(
    container: DependencyContainer,
    points: ExtensionPoints,
    private readonly guard: Guard,
    placement: "table-lock" | "operation",
  ) {
    this.exceptions = lazily(container, Exceptions);
    const isLock = placement === "table-lock";
    points.on(isLock ? "tableLocked" : "operationEnter", () => {
      this.enter();
    });
    points.on(isLock ? "tableUnlocking" : "operationExit", () => {
      this.leave();
    });
  }

  /** Whether page tables can be written now. False in interrupt, where the key register may have been reset. */
  isOpen(): boolean {
    return this.state !== NOT_ENTERED && !this.exceptions().inInterrupt;
  }

  private enter(): void {
    if (this.depth++ === 0) this.state = this.guard.enter();
  }

  private leave(): void {
    if (--this.depth > 0) return;
    this.guard.exit(this.state);
    this.state = NOT_ENTERED;
  }
}
