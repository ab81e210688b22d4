/**
 * The status of a test, with the names of the kernel's parser.
 *
 * - `passed`, `failed`: `ok` and `not ok`; a test whose subtest failed has failed
 * - `skipped`: a result with the directive SKIP, also after `not ok`
 * - `crashed`: planned results are missing, in it or in a subtest, or its own result line is missing
 * - `empty`: it passed, and has the header of a subtest without results
 */
export type KtapStatus = "passed" | "failed" | "skipped" | "crashed" | "empty";

/** A test of a KTAP document. */
export interface KtapTest {
  /** Its name: the description of the result line. */
  readonly name: string;
  /** Its status. */
  readonly status: KtapStatus;
  /** The text after ` # ` on its result line: a directive with its reason, or a remark. */
  readonly directive?: string;
  /** Its diagnostic lines, without `# `, and other lines between them. */
  readonly log: readonly string[];
  /** Its subtests. */
  readonly tests: readonly KtapTest[];
  /** Number of its planned results that are missing; absent if none is. */
  readonly missing?: number;
}

/**
 * Numbers of results. A test with subtests is counted by its subtests, and once more if its own result line is missing, or is
 * `not ok` without a failed subtest.
 */
export interface KtapCounts {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
  /** Planned and missing. */
  readonly crashed: number;
  /** Skipped. */
  readonly skipped: number;
  /** Passed without results. */
  readonly empty: number;
}

/** An error or a remark about a line of a log. */
export interface KtapError {
  /** The number of the line, 1 being the first. */
  readonly line: number;
  /** One sentence. */
  readonly message: string;
}

/** The documents of a log. */
export interface KtapDocument {
  /** The tests of the outermost level of all documents, in their order. */
  readonly tests: readonly KtapTest[];
  /** Number of documents. */
  readonly documents: number;
  /** Number of missing results of the outermost plans. */
  readonly missing: number;
  /** Numbers of results. */
  readonly counts: KtapCounts;
  /** Errors, by line: results are missing, contradict each other or cannot be read. */
  readonly errors: readonly KtapError[];
  /** Remarks, by line, that lose no result: no plan, a wrong number, an unknown version. */
  readonly remarks: readonly KtapError[];
}

/**
 * The status of a test by its subtests: crashed or failed if one is, skipped if all are (`kunit_suite_has_succeeded()`).
 * @param tests - the subtests
 */
export function statusOfAll(tests: readonly Pick<KtapTest, "status">[]): KtapStatus {
  const has = (wanted: KtapStatus): boolean => tests.some(({ status }) => status === wanted);
  return (["crashed", "failed", "passed", "skipped"] as const).find(has) ?? "empty";
}

/**
 * Counts the results of tests.
 * @param tests - the tests of the outermost level
 * @param missing - number of missing results on that level
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
