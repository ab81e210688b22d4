import type { Plan } from "./lines.js";
import type { KtapTest } from "./types.js";

/** One level of a document: the subtests of a test. */
export interface Level {
  /** The name of the test, if a `# Subtest:` line has it. */
  readonly name: string | undefined;
  /** Indentation of its header, in columns. */
  readonly indent: number;
  /** Whether it has no header: a line with a deeper indentation began it. */
  readonly headless: boolean;
  /** Its tests so far. */
  readonly tests: KtapTest[];
  /** Log lines of the enclosing test: those before the plan, and those after the last result. */
  log: string[];
  /** Log lines of the next test. */
  pending: string[];
  /** Its plan, once it was read. */
  plan?: Plan & { readonly count: number };
  /** Indentation of its results, in columns. */
  childIndent?: number;
  /** Number of a result minus its position; undefined until a result has a number. */
  offset?: number;
  /** Whether it has more results than planned. */
  hasExcess?: boolean;
}

/** The open levels, from the outermost to the innermost; empty between documents. */
export type Levels = readonly Level[];

/** Deepest nesting that is read. A damaged document must not overflow the stack. */
export const DEEPEST = 64;

/**
 * The innermost level.
 * @param levels - at least one
 */
export function innermost(levels: Levels): Level {
  return levels.at(-1)!;
}

/**
 * Whether a level has all planned results.
 * @param level - the level
 */
export function isComplete({ plan, tests }: Level): boolean {
  return plan !== undefined && tests.length >= plan.count;
}
