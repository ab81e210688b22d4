import { countResults } from "@kpkeys/kunit-suite";
import { isDocumented } from "@kpkeys/scenarios";
import type { CheckedFindings, Column, MachineFindings, MachineName } from "@kpkeys/workloads/report";
import type { Job, JobResult } from "../job.js";

/**
 * Groups the results of a replay by architecture and series.
 * @param results - the results; those of the strongest policy are first and have the checks
 */
export function columnsOf(results: readonly JobResult[]): Column[] {
  const groups = new Map<string, Column & { readonly others: MachineFindings[] }>();
  for (const result of results) {
    const { spec, series } = result.job;
    const column = groups.get(`${spec.arch} ${series}`);
    if (column === undefined) {
      const documents: Column["isDocumented"] = (gap) => isDocumented(series, gap);
      groups.set(`${spec.arch} ${series}`, { checked: checkedOf(result), others: [], isDocumented: documents });
    } else column.others.push(machineOf(result));
  }
  return [...groups.values()];
}

function machineOf({ job, replay, tables }: JobResult): MachineFindings {
  return { ...nameOf(job), pkeys: hasPkeys(job), replay: replay!, tables };
}

function checkedOf(result: JobResult): CheckedFindings {
  const { coverage, linearMap, attack, kunit } = result;
  return {
    ...machineOf(result),
    coverage: coverage!,
    linearMap: linearMap!,
    attack,
    kunit: kunit && countResults(kunit),
  };
}

/**
 * The name of a job's machine.
 * @param job - the job
 */
export function nameOf({ spec, series, policy }: Job): MachineName {
  return { arch: spec.arch, series, policy };
}

/**
 * Whether the CPUs of a job's machine have kernel pkeys.
 * @param job - the job
 */
export function hasPkeys({ spec }: Job): boolean {
  return spec.options[spec.arch]?.["pkeys"] !== false;
}
