import type { Plugin } from "@kpkeys/core/contracts";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ReportFinding } from "../rule.js";

/** Boots a machine with the feature and its dependencies on one architecture. */
type Boot = (spec?: Partial<MachineSpec>) => Machine;

/**
 * The members `skip` and `check` of a rule that checks a feature on each architecture. Findings begin with the architecture's id.
 *
 * @param check - checks the feature on one architecture
 */
export function onEachArch(
  check: (boot: Boot, report: ReportFinding, plugin: Plugin) => void,
): Pick<ConformanceRule, "skip" | "check"> {
  return {
    skip: ({ arches }) => (arches.length === 0 ? "no architecture was passed" : undefined),
    check({ plugin, arches }, report) {
      for (const arch of arches) {
        const boot: Boot = (spec) => makeMachine(arch, [plugin], spec);
        const reportForArch: ReportFinding = (finding) => {
          report(`on ${arch.id} ${finding}`);
        };
        check(boot, reportForArch, plugin);
      }
    },
  };
}
