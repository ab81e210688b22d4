import type { BenchmarkCounts } from "./benchmarks.js";
import type { Evaluation } from "./evaluate.js";
import { sixDigits } from "../statistics.js";

/** What `kpkeys overhead --json` prints: percent, and counts an operation. */
export interface OverheadReport extends Evaluation {
  /** What each benchmark had a machine do for one operation. */
  readonly counts: readonly Pick<BenchmarkCounts, "benchmark" | "policy" | "perOperation">[];
}

/**
 * Makes the document.
 * @param evaluation - the model held against the published table
 * @param counts - of the benchmarks
 */
export function overheadReportOf(evaluation: Evaluation, counts: readonly BenchmarkCounts[]): OverheadReport {
  return {
    ...rounded(evaluation),
    counts: counts.map(({ benchmark, policy, perOperation }) => ({ benchmark, policy, perOperation })),
  };
}

/** With the digits that all versions of Node agree on. */
function rounded(evaluation: Evaluation): Evaluation {
  const text = JSON.stringify(evaluation, (_, value: unknown) =>
    typeof value === "number" ? sixDigits(value) : value,
  );
  return JSON.parse(text) as Evaluation;
}
