import type { ExtensionPoints } from "@kpkeys/core/contracts";

/**
 * Sections of kernel code that features can be told of: a page-table lock is held, an operation runs. The model does one thing at a time,
 * so that a lock has nothing to keep out and only its place counts.
 */
export interface Sections {
  /**
   * Takes the lock of a table: `pte_offset_map_lock`, `pmd_lock`, `init_mm.page_table_lock`.
   * @param table - page-frame number
   */
  lock(table: number): void;
  /**
   * Gives it back.
   * @param table - page-frame number
   */
  unlock(table: number): void;
  /**
   * Makes a function an operation. Of operations inside another one features are not told.
   * @param run - what the operation does
   * @returns `run` itself where no feature asks
   */
  readonly operation: <Arguments extends readonly unknown[], Result>(
    run: (...args: Arguments) => Result,
  ) => (...args: Arguments) => Result;
}

/**
 * Makes the sections.
 * @param extensions - the features told
 */
export function createSections(extensions: ExtensionPoints): Sections {
  const onLocked = extensions.handlers("tableLocked");
  const onUnlocking = extensions.handlers("tableUnlocking");
  const onEnter = extensions.handlers("operationEnter");
  const onExit = extensions.handlers("operationExit");
  let depth = 0;

  return {
    lock(table) {
      for (let i = 0; i < onLocked.length; i++) onLocked[i]!(table);
    },
    unlock(table) {
      for (let i = onUnlocking.length - 1; i >= 0; i--) onUnlocking[i]!(table);
    },
    operation(run) {
      if (onEnter.length + onExit.length === 0) return run;
      return (...args) => {
        if (depth++ === 0) for (const handler of onEnter) handler();
        try {
          return run(...args);
        } finally {
          if (--depth === 0) for (const handler of onExit) handler();
        }
      };
    },
  };
}
