/**
 * The handlers of two extension points around a kind of write: each handler of the first before it, and in reverse order each handler
 * of the second after it, with the value that its counterpart returned. Writes may nest.
 */
export class WriteGuard<Args extends readonly unknown[] = []> {
  private readonly states: number[] = [];

  /**
   * @param before - run before
   * @param after - run after; a feature attaches both
   */
  constructor(
    private readonly before: readonly ((...args: Args) => number)[],
    private readonly after: readonly ((state: number) => void)[],
  ) {}

  /** Before the write. @param args - the arguments of the handlers */
  enter(...args: Args): void {
    for (const handler of this.before) this.states.push(handler(...args));
  }

  /** After the write. */
  exit(): void {
    for (let i = this.after.length - 1; i >= 0; i--) this.after[i]!(this.states.pop()!);
  }
}
