/**
 * Runs the handlers of two extension points before and after a write. The handlers after the write run in reverse order; each receives
 * the value that the same feature's handler returned before the write. Writes may nest.
 */
export class WriteGuard<Args extends readonly unknown[] = []> {
  private readonly states: number[] = [];

  /**
   * @param before - handlers to run before the write
   * @param after - handlers to run after it; a feature attaches one of each
   */
  constructor(
    private readonly before: readonly ((...args: Args) => number)[],
    private readonly after: readonly ((state: number) => void)[],
  ) {}

  /** Runs the handlers before the write. @param args - their arguments */
  enter(...args: Args): void {
    for (const handler of this.before) this.states.push(handler(...args));
  }

  /** Runs the handlers after the write. */
  exit(): void {
    for (let i = this.after.length - 1; i >= 0; i--) this.after[i]!(this.states.pop()!);
  }
}
