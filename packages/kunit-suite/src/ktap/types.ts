/**
 * What became of a test, as the kernel's parser tells it.
 *
 * - `passed`, `failed` — `ok` and `not ok`; a test whose subtest failed has failed
 * - `skipped` — a result with the directive SKIP, whatever stands before it
 * - `crashed` — results that the plan announces never came, here or in a subtest
 * - `empty` — its plan says that there is nothing
 */
export type KtapStatus = "passed" | "failed" | "skipped" | "crashed" | "empty";

/** A test of a KTAP document. */
export interface KtapTest {
  /** Its name: the description of its result line. */
  readonly name: string;
  /** What became of it. */
  readonly status: KtapStatus;
  /** What follows ` # ` on its result line: a directive with its reason, or a remark. Left out when nothing does. */
  readonly directive?: string;
  /** Diagnostic lines that belong to it, without their `# `, and lines of other kinds that came between. */
  readonly log: readonly string[];
  /** Its subtests; none when no document is nested in it. */
  readonly tests: readonly KtapTest[];
  /** How many results its plan announces that never came; left out when none is missing. */
  readonly missing?: number;
}

/** Numbers of the tests that have no subtests, and of missing ones. */
export interface KtapCounts {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
  /** Announced and missing. */
  readonly crashed: number;
  /** Skipped. */
  readonly skipped: number;
}

/** Something wrong in a document. */
export interface KtapError {
  /** The number of the line, 1 being the first. */
  readonly line: number;
  /** What is wrong there. */
  readonly message: string;
}

/** A document as it was read. */
export interface KtapDocument {
  /** The tests of its outermost level. */
  readonly tests: readonly KtapTest[];
  /** How many results its plan announces that never came. */
  readonly missing: number;
  /** Numbers of tests. */
  readonly counts: KtapCounts;
  /** All that is wrong with it, by line. */
  readonly errors: readonly KtapError[];
}

/**
 * What a test with subtests has come to: crashed or failed as soon as one has, skipped when nothing but skipped ones is there
 * (`kunit_suite_has_succeeded()`).
 * @param tests - the subtests
 */
export function statusOfAll(tests: readonly Pick<KtapTest, "status">[]): KtapStatus {
  const has = (wanted: KtapStatus): boolean => tests.some(({ status }) => status === wanted);
  return (["crashed", "failed", "passed", "skipped"] as const).find(has) ?? "empty";
}
