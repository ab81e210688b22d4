import { NO_WORK } from "@kpkeys/workloads";
import type { MicroResult, ReplayResult } from "@kpkeys/workloads";
import type { MachineCounters } from "@kpkeys/kernel";
import type { JobResult } from "../job.js";
import type { Policy } from "@kpkeys/scenarios";
import type { ModelRow } from "./model.js";

/** What a machine did for one operation of a benchmark, on average. */
export interface BenchmarkCounts {
  /** The benchmark, by its name in the published table. */
  readonly benchmark: string;
  /** How the hardening was used. */
  readonly policy: Policy;
  /** The machine's counters, an operation. */
  readonly perOperation: MachineCounters;
  /** The operation as the model sees it. */
  readonly model: ModelRow;
}

/** The name of the replayed trace in the table. */
const KERNBENCH = "kernbench system";

/**
 * The counts of all benchmarks.
 * @param results - of jobs with every policy, which ran the micro-benchmarks and replayed a trace
 */
export function benchmarkCounts(results: readonly JobResult[]): BenchmarkCounts[] {
  const off = resultsOf(results.find(({ job }) => job.policy === "off")!);
  return results.flatMap((result) =>
    resultsOf(result).map(({ name, operations, work, counters }, i): BenchmarkCounts => {
      const perOperation = dividedBy(counters, operations);
      const tableWrites = off[i]!.counters.tableWrites / operations;
      const model = { hardening: hardeningCounts(perOperation), tableWrites, work };
      return { benchmark: name, policy: result.job.policy, perOperation, model };
    }),
  );
}

/**
 * What of a machine's counters costs time with the hardening on. On a machine without it all are 0.
 * @param counters - the counters
 */
export function hardeningCounts(
  counters: Pick<MachineCounters, "registerWrites" | "barriers" | "setMemoryPkeyCalls">,
): ModelRow["hardening"] {
  const { registerWrites, barriers, setMemoryPkeyCalls } = counters;
  return { synchronisedWrites: barriers, elidedWrites: registerWrites - barriers, setMemoryPkeyCalls };
}

/** The replay is one operation, of which its faults are the work. */
function resultsOf({ replay, micro }: JobResult): MicroResult[] {
  return [kernbenchOf(replay!), ...micro!];
}

function kernbenchOf({ counters }: ReplayResult): MicroResult {
  return { name: KERNBENCH, operations: 1, work: { ...NO_WORK, userFaults: counters.userFaults }, counters };
}

function dividedBy({ writesBySetter, ...counts }: MachineCounters, operations: number): MachineCounters {
  const divide = <T extends object>(numbers: T): T =>
    Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, (count as number) / operations])) as T;
  return { ...divide(counts), writesBySetter: divide(writesBySetter) };
}
