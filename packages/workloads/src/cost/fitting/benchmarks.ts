import type { MachineCounters } from "@kpkeys/kernel";
import { NO_WORK } from "../../micro/benchmark.js";
import type { MicroResult } from "../../micro/benchmark.js";
import type { ReplayResult } from "../../replay/replay.js";
import { hardeningCounts } from "../model.js";
import type { ModelRow } from "../model.js";
import type { Policy } from "../policy.js";

/** What ran on a machine of one policy. */
export interface BenchmarkRun {
  /** How the hardening was used. */
  readonly policy: Policy;
  /** The recording that is used as kernbench. */
  readonly replay: Pick<ReplayResult, "counters">;
  /** The micro-benchmarks. */
  readonly micro: readonly MicroResult[];
}

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
 * @param runs - one for each policy, `off` among them; all ran the same micro-benchmarks
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

/** The replay is one operation, of which its faults are the work. */
function resultsOf({ replay, micro }: BenchmarkRun): MicroResult[] {
  return [kernbenchOf(replay), ...micro];
}

function kernbenchOf({ counters }: BenchmarkRun["replay"]): MicroResult {
  return { name: KERNBENCH, operations: 1, work: { ...NO_WORK, userFaults: counters.userFaults }, counters };
}

function dividedBy({ writesBySetter, ...counts }: MachineCounters, operations: number): MachineCounters {
  const divide = <T extends object>(numbers: T): T =>
    Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, (count as number) / operations])) as T;
  return { ...divide(counts), writesBySetter: divide(writesBySetter) };
}
