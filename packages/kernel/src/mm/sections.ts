import { inject, injectable } from "@kpkeys/core";
import { ExtensionPoints } from "@kpkeys/core/contracts";
import type { ExtensionHandlers, Pfn } from "@kpkeys/core/contracts";

/**
 * Sections of kernel code that features can watch: a page-table lock is held, an operation runs. The model does one thing at a time,
 * so that a lock has nothing to keep out and only its place counts.
 */
@injectable()
export class Sections {
  private readonly onLocked: readonly ExtensionHandlers["tableLocked"][];
  private readonly onUnlocking: readonly ExtensionHandlers["tableUnlocking"][];
  private readonly onEnter: readonly ExtensionHandlers["operationEnter"][];
  private readonly onExit: readonly ExtensionHandlers["operationExit"][];
  /** How many operations run inside one another. */
  private depth = 0;

  constructor(@inject(ExtensionPoints) extensions: ExtensionPoints) {
    this.onLocked = extensions.handlers("tableLocked");
    this.onUnlocking = extensions.handlers("tableUnlocking");
    this.onEnter = extensions.handlers("operationEnter");
    this.onExit = extensions.handlers("operationExit");
  }

  /**
   * Takes the lock of a table: `pte_offset_map_lock`, `pmd_lock`, `init_mm.page_table_lock`.
   * @param table - page-frame number
   */
  lock(table: Pfn): void {
    for (let i = 0; i < this.onLocked.length; i++) this.onLocked[i]!(table);
  }

  /**
   * Gives it back.
   * @param table - page-frame number
   */
  unlock(table: Pfn): void {
    for (let i = this.onUnlocking.length - 1; i >= 0; i--) this.onUnlocking[i]!(table);
  }

  /**
   * Runs an operation. Features see the outermost one alone.
   * @param run - what the operation does
   * @returns what it returns
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
