import type { ExercisedMachine, Plugin } from "@kpkeys/core/contracts";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ReportFinding, ReportNothing } from "../rule.js";

/** A feature on one architecture. */
export interface Trial {
  /** The feature. */
  readonly plugin: Plugin;
  /**
   * Boots a machine with the feature and its dependencies.
   * @param spec - changes of the specification
   */
  readonly boot: (spec?: Partial<MachineSpec>) => Machine;
  /** Boots a machine with the dependencies of the feature alone. */
  readonly bootWithout: () => Machine;
}

/**
 * The member `check` of a rule that checks a feature on each architecture. Findings and reasons begin with the architecture's id. An
 * exception ends the check on one architecture; the others are checked, and then it is thrown.
 *
 * @param check - checks the feature on one architecture
 */
export function onEachArch(
  check: (trial: Trial, report: ReportFinding, notJudged: ReportNothing) => void,
): Pick<ConformanceRule, "check"> {
  return {
    check({ plugin, arches }, report, notJudged) {
      if (arches.length === 0) notJudged("no architecture was passed");
      const errors = new Map<string, string[]>();
      for (const arch of arches) {
        const trial: Trial = {
          plugin,
          boot: (spec) => makeMachine(arch, [plugin], spec),
          bootWithout: () => makeMachine(arch, plugin.dependencies ?? []),
        };
        const onArch =
          (receive: (text: string) => void) =>
          (text: string): void => {
            receive(`on ${arch.id} ${text}`);
          };
        try {
          check(trial, onArch(report), onArch(notJudged));
        } catch (error) {
          const text = error instanceof Error ? error.message : String(error);
          errors.set(text, [...(errors.get(text) ?? []), arch.id]);
        }
      }
      if (errors.size > 0)
        throw new Error(Array.from(errors, ([text, ids]) => `on ${ids.join(" and ")}: ${text}`).join("; "));
    },
  };
}

/**
 * Calls the feature's exercise() with what its contract promises.
 *
 * @param plugin - the feature
 * @param machine - a booted machine with it
 * @throws Error for any exception of exercise(), and for a promise
 */
export function exercise(plugin: Plugin, machine: Machine): void {
  if (plugin.exercise === undefined) return;
  // exercise() returns nothing by contract; a plugin in JavaScript may return a promise.
  const run: (machine: ExercisedMachine) => unknown = plugin.exercise.bind(plugin);
  let result: unknown;
  try {
    result = run({ get: (token) => machine.get(token) });
  } catch (cause) {
    throw new Error(`exercise() throws: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (!(result instanceof Promise)) return;
  // A later rejection would end the process.
  result.catch(() => undefined);
  throw new Error("exercise() returns a promise; expected one that is complete when it returns");
}
