import type { AttackCount, AttackGap, AttackResult } from "@kpkeys/kunit-suite";
import type { JobResult } from "../job.js";
import { isDocumented, seriesTitle } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";
import { withDocumented } from "@kpkeys/workloads/report";
import type { Documented } from "@kpkeys/workloads/report";
import { hasPkeys } from "./findings.js";
import { hasLoads } from "./gaps.js";
import { gapNotes, verdictText } from "./notes.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/** The results of attacks on one machine. */
export interface MachineAttackReport extends AttackResult {
  /** The accesses that were not blocked, by place. */
  readonly gaps: readonly (AttackGap & Documented)[];
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: SeriesName;
  /** The machine's policy. */
  readonly policy: Policy;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
}

/** The document of `kpkeys attack --json`. */
export interface AttacksReport {
  /** One entry for each architecture, version of the series and policy. */
  readonly arches: readonly MachineAttackReport[];
}

/**
 * Makes the report of attacks.
 * @param results - results of jobs with attacks
 */
export function attackReportOf(results: readonly JobResult[]): AttacksReport {
  return {
    arches: results.map(({ job, attack }) => ({
      arch: job.spec.arch,
      series: job.series,
      policy: job.policy,
      pkeys: hasPkeys(job),
      ...withDocumented(attack!, (gap) => isDocumented(job.series, gap)),
    })),
  };
}

/**
 * The report as text: a table by source for each version of the series and policy.
 * @param report - the report
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function attackTextOf({ arches }: AttacksReport, style: Style): string {
  const kinds = [...new Set(arches.map(kindOf))];
  const tables = kinds.map((kind) => {
    const table = tableOf(
      arches.filter((machine) => kindOf(machine) === kind),
      style,
    );
    return `${style.bold(kind)}\n${table}`;
  });
  const machines = arches.map((machine) => ({ ...machine, checked: machine.policy, attack: machine }));
  return [...tables, ...gapNotes(machines), verdictText(machines, style)].join("\n\n") + "\n";
}

function kindOf({ series, policy }: MachineAttackReport): string {
  return `Series ${seriesTitle(series)}, ${policy}`;
}

function tableOf(machines: readonly MachineAttackReport[], style: Style): string {
  const sources = [...new Set(machines.flatMap(({ bySource }) => Object.keys(bySource)))];
  return layOut(
    ["", ...machines.map(({ arch }) => arch)],
    [
      [style.bold("attacks"), ...machines.map(() => ["tried", "blocked", "through"])],
      ...sources.map((source): Row => [`  ${source}`, ...machines.map(({ bySource }) => cellsOf(bySource[source]))]),
      [style.bold("all"), ...machines.map(cellsOf)],
      ...(machines.some((attack) => hasLoads({ attack }))
        ? [["  of which loads", ...machines.map(({ loads }) => cellsOf(loads))] satisfies Row]
        : []),
    ],
  );
}

function cellsOf({ tried, blocked }: AttackCount = { tried: 0, blocked: 0 }): string[] {
  return [tried, blocked, tried - blocked].map(count);
}
