/**
 * The outcome of a test, in the words of the kernel's parser.
 *
 * - `passed`, `failed`: `ok` and `not ok`; a test whose subtest failed has failed
 * - `skipped`: a result with the directive SKIP, also after `not ok`
 * - `crashed`: results that the plan announces are missing, here or in a subtest, or its own result line is
 * - `empty`: it passed, and has the head of a subtest but no results in it
 */
export type KtapStatus = "passed" | "failed" | "skipped" | "crashed" | "empty";

/** A test of a KTAP document. */
export interface KtapTest {
  /** Its name: the description of its result line. */
  readonly name: string;
  /** Its outcome. */
  readonly status: KtapStatus;
  /** What follows ` # ` on its result line: a directive with its reason, or a remark. Left out when nothing does. */
  readonly directive?: string;
  /** Diagnostic lines that belong to it, without their `# `, and lines of other kinds that came between. */
  readonly log: readonly string[];
  /** Its subtests; none when no document is nested in it. */
  readonly tests: readonly KtapTest[];
  /** How many results its plan announces that are missing; left out when none is. */
  readonly missing?: number;
}

/**
 * Numbers of results. A test with subtests is counted by its subtests, and once more when its own result line is missing, or says
 * `not ok` though no subtest failed.
 */
export interface KtapCounts {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
  /** Announced and missing. */
  readonly crashed: number;
  /** Skipped. */
  readonly skipped: number;
  /** Passed without having run anything. */
  readonly empty: number;
}

/** Something to say about a line of a log. */
export interface KtapError {
  /** The number of the line, 1 being the first. */
  readonly line: number;
  /** What is wrong or unusual there. */
  readonly message: string;
}

/** The documents of a log as they were read. */
export interface KtapDocument {
  /** The tests of the outermost level, of all documents in their order. */
  readonly tests: readonly KtapTest[];
  /** How many documents the log holds. */
  readonly documents: number;
  /** How many results the outermost plans announce that are missing. */
  readonly missing: number;
  /** Numbers of results. */
  readonly counts: KtapCounts;
  /** By line, what is wrong: results are missing, contradict each other or cannot be read. */
  readonly errors: readonly KtapError[];
  /** By line, what is unusual and loses no result: no plan, a wrong number, an unknown version. */
  readonly remarks: readonly KtapError[];
}

/**
 * The status of a test by its subtests: crashed or failed as soon as one has, skipped when all are (`kunit_suite_has_succeeded()`).
 * @param tests - the subtests
 */
export function statusOfAll(tests: readonly Pick<KtapTest, "status">[]): KtapStatus {
  const has = (wanted: KtapStatus): boolean => tests.some(({ status }) => status === wanted);
  return (["crashed", "failed", "passed", "skipped"] as const).find(has) ?? "empty";
}

/**
 * Counts the results of tests.
 * @param tests - of the outermost level
 * @param missing - results missing on that level
 */
export function countTests(tests: readonly KtapTest[], missing: number): KtapCounts {
  const counts = { passed: 0, failed: 0, crashed: missing, skipped: 0, empty: 0 };
  function count(test: KtapTest): void {
    const { status, tests: inner, missing: lost = 0 } = test;
    counts.crashed += lost;
    if (inner.length === 0) {
      if (lost === 0) counts[status]++;
      return;
    }
    inner.forEach(count);
    const explained = lost > 0 ? "crashed" : statusOfAll(inner);
    if (status !== explained && (status === "failed" || status === "crashed")) counts[status]++;
  }
  tests.forEach(count);
  return counts;
}
