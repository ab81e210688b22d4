import { inject, injectable } from "@kpkeys/core";
import { ExtensionPoints } from "@kpkeys/core/contracts";
import type { ExtensionHandlers, Pfn } from "@kpkeys/core/contracts";

/**
 * Notifies features of critical sections: a page-table lock is held, an operation runs. The model runs one thing at a time, so a
 * lock excludes nothing; only its position matters.
 */
@injectable()
export class Sections {
  private readonly onLocked: readonly ExtensionHandlers["tableLocked"][];
  private readonly onUnlocking: readonly ExtensionHandlers["tableUnlocking"][];
  private readonly onEnter: readonly ExtensionHandlers["operationEnter"][];
  private readonly onExit: readonly ExtensionHandlers["operationExit"][];
  /** Nesting depth of operations. */
  private depth = 0;

  constructor(@inject(ExtensionPoints) extensions: ExtensionPoints) {
    this.onLocked = extensions.handlers("tableLocked");
    this.onUnlocking = extensions.handlers("tableUnlocking");
    this.onEnter = extensions.handlers("operationEnter");
    this.onExit = extensions.handlers("operationExit");
  }

  /**
   * Locks a table: `pte_offset_map_lock`, `pmd_lock`, `init_mm.page_table_lock`.
   * @param table - page-frame number
   */
  lock(table: Pfn): void {
    for (let i = 0; i < this.onLocked.length; i++) this.onLocked[i]!(table);
  }

  /**
   * Unlocks a table.
   * @param table - page-frame number
   */
  unlock(table: Pfn): void {
    for (let i = this.onUnlocking.length - 1; i >= 0; i--) this.onUnlocking[i]!(table);
  }

  /**
   * Runs an operation. Features are notified of the outermost operation only.
   * @param run - the operation
   * @returns its result
   */
  operation<Result>(run: () => Result): Result {
    if (this.onEnter.length + this.onExit.length === 0) return run();
    if (this.depth++ === 0) for (const handler of this.onEnter) handler();
    try {
      return run();
    } finally {
      if (--this.depth === 0) for (const handler of this.onExit) handler();
    }
  }
}
