import type { BenchmarkCounts } from "./benchmarks.js";
import type { Evaluation } from "./evaluate.js";
import { sixDigits } from "../statistics.js";

/** The document of `kpkeys overhead --json`: overheads in percent, and counts per operation. */
export interface OverheadReport extends Evaluation {
  /** The counts of each benchmark per operation. */
  readonly counts: readonly Pick<BenchmarkCounts, "benchmark" | "policy" | "perOperation">[];
}

/**
 * Makes the document.
 * @param evaluation - the comparison of the model with the published table
 * @param counts - the counts of the benchmarks
 */
export function overheadReportOf(evaluation: Evaluation, counts: readonly BenchmarkCounts[]): OverheadReport {
  return {
    ...rounded(evaluation),
    counts: counts.map(({ benchmark, policy, perOperation }) => ({ benchmark, policy, perOperation })),
  };
}

/** Rounds all numbers with {@link sixDigits}. */
function rounded(evaluation: Evaluation): Evaluation {
  const text = JSON.stringify(evaluation, (_, value: unknown) =>
    typeof value === "number" ? sixDigits(value) : value,
  );
  return JSON.parse(text) as Evaluation;
}
