/** Counts of events by kind, each up to 2^53. */
export interface Counts {
  /** Counts one event. @param kind - of which kind */
  increment(kind: number): void;
  /**
   * Counts several events.
   * @param kind - of which kind
   * @param events - how many, less than 2^31
   */
  add(kind: number, events: number): void;
  /** How many events of a kind there were. @param kind - which */
  of(kind: number): number;
}

/**
 * Makes counts for hot paths: an int32 is raised, and emptied into a floating-point number before it overflows. Raising the latter each
 * time would make each event wait for the one before.
 *
 * @param kinds - how many kinds there are
 * @returns counts of nothing
 */
export function createCounts(kinds: number): Counts {
  // Longer than it need be: V8 keeps the words of short arrays where they are slower to reach.
  const recent = new Int32Array(Math.max(64, kinds));
  const emptied = new Float64Array(kinds);

  function empty(kind: number): void {
    emptied[kind]! += recent[kind]! >>> 0;
    recent[kind] = 0;
  }

  function add(kind: number, events: number): void {
    const next = (recent[kind]! + events) | 0;
    recent[kind] = next;
    if (next < 0) empty(kind);
  }

  return {
    increment: (kind) => {
      add(kind, 1);
    },
    add,
    of: (kind) => emptied[kind]! + recent[kind]!,
  };
}
