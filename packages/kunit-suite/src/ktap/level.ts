import type { Plan } from "./lines.js";
import type { KtapTest } from "./types.js";

/** The tests of one level, and the test around it. */
export interface Level {
  /** Its name, when a `# Subtest:` line gives it. */
  readonly name: string | undefined;
  /** How far its head is indented. */
  readonly indent: number;
  /** Whether it has no head: its first line is only indented deeper. */
  readonly headless: boolean;
  /** Its tests so far. */
  readonly tests: KtapTest[];
  /** Log lines that belong to the test around: those before the plan, and those after the last result. */
  log: string[];
  /** Log lines of the next test. */
  pending: string[];
  /** Its plan, as soon as there is one. */
  plan?: Plan & { readonly count: number };
  /** How far its results are indented. */
  childIndent?: number;
  /** How far the number of a result is from its place; undefined until a result has a number. */
  offset?: number;
  /** Whether it has more results than its plan announces. */
  hasExcess?: boolean;
}

/** The levels that are open, from the outermost to the innermost; empty between documents. */
export type Levels = readonly Level[];

/** Deeper nesting than any test has: a damaged document, which must not use up the stack. */
export const DEEPEST = 64;

/**
 * The innermost level.
 * @param levels - at least one
 */
export function innermost(levels: Levels): Level {
  return levels.at(-1)!;
}

/**
 * Whether a level has all results that its plan announces.
 * @param level - the level
 */
export function isComplete({ plan, tests }: Level): boolean {
  return plan !== undefined && tests.length >= plan.count;
}
