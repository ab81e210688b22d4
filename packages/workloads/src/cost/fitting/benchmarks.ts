import type { MachineCounters } from "@kpkeys/kernel";
import { NO_WORK } from "../../micro/benchmark.js";
import type { MicroResult } from "../../micro/benchmark.js";
import type { ReplayResult } from "../../replay/replay.js";
import { hardeningCounts } from "../model.js";
import type { ModelRow } from "../model.js";
import type { Policy } from "../policy.js";

/** The results of one machine. */
export interface BenchmarkRun {
  /** The machine's policy. */
  readonly policy: Policy;
  /** The replay that represents kernbench. */
  readonly replay: Pick<ReplayResult, "counters">;
  /** The micro-benchmarks. */
  readonly micro: readonly MicroResult[];
}

/** The counts of a benchmark per operation. */
export interface BenchmarkCounts {
  /** The benchmark's name in the published table. */
  readonly benchmark: string;
  /** The machine's policy. */
  readonly policy: Policy;
  /** The machine's counters per operation. */
  readonly perOperation: MachineCounters;
  /** The input of the model. */
  readonly model: ModelRow;
}

/** The table's name for the replayed recording. */
const KERNBENCH = "kernbench system";

/**
 * The counts of all benchmarks per operation.
 * @param runs - one run per policy, including `off`, with the same micro-benchmarks in the same order
 */
export function benchmarkCounts(runs: readonly BenchmarkRun[]): BenchmarkCounts[] {
  const off = resultsOf(runs.find(({ policy }) => policy === "off")!);
  return runs.flatMap((run) =>
    resultsOf(run).map(({ name, operations, work, counters }, i): BenchmarkCounts => {
      const perOperation = dividedBy(counters, operations);
      const tableWrites = off[i]!.counters.tableWrites / operations;
      const model = { hardening: hardeningCounts(perOperation), tableWrites, work };
      return { benchmark: name, policy: run.policy, perOperation, model };
    }),
  );
}

/** The whole replay counts as one operation; its work is the number of user faults. */
function resultsOf({ replay: { counters }, micro }: BenchmarkRun): MicroResult[] {
  const work = { ...NO_WORK, userFaults: counters.userFaults };
  return [{ name: KERNBENCH, operations: 1, work, counters }, ...micro];
}

function dividedBy({ writesBySetter, ...counts }: MachineCounters, operations: number): MachineCounters {
  const divide = <T extends object>(numbers: T): T =>
    Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, (count as number) / operations])) as T;
  return { ...divide(counts), writesBySetter: divide(writesBySetter) };
}
