/**
 * What features do around a kind of write: every handler before it, and in the reverse order each one's counterpart after it, with what
 * the first returned. Writes may nest.
 */
export interface WriteGuard<Args extends readonly unknown[] = []> {
  /** Before the write. @param args - what the handlers of the kind are told */
  enter(...args: Args): void;
  /** After the write. */
  exit(): void;
}

/**
 * Makes it of the handlers of two extension points, which a feature attaches in pairs.
 * @param before - run before
 * @param after - run after
 */
export function createWriteGuard<Args extends readonly unknown[]>(
  before: readonly ((...args: Args) => number)[],
  after: readonly ((state: number) => void)[],
): WriteGuard<Args> {
  const states: number[] = [];
  return {
    enter(...args) {
      for (let i = 0; i < before.length; i++) states.push(before[i]!(...args));
    },
    exit() {
      for (let i = after.length - 1; i >= 0; i--) after[i]!(states.pop()!);
    },
  };
}
