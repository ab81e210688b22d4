import type { KunitSuite } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { createGlob } from "./glob.js";

/** Which KUnit cases are run, and in which order. */
export interface KunitChoice {
  /** KUnit's `filter_glob`: a glob of suites, or one of suites and one of cases with a dot between. All cases if left out. */
  readonly filter?: string;
  /** Seed of the order in which the cases of a suite are run. Their own order if left out. */
  readonly shuffle?: number;
}

/**
 * The suites of a machine, as far as they are chosen.
 * @param machine - the machine
 * @param choice - what is chosen
 * @throws KpkeysError ERR_USAGE for a filter that is no pattern; ERR_SPEC for options that a suite does not have
 */
export async function chooseSuites(machine: Machine, choice: KunitChoice): Promise<readonly KunitSuite[]> {
  const { filterSuites, shuffleSuites, suitesOf } = await import("@kpkeys/kunit-suite");
  const { filter, shuffle } = choice;
  const built = suitesOf(machine);
  const chosen = filter === undefined ? built : filterSuites(built, readFilter(filter));
  return shuffle === undefined ? chosen : shuffleSuites(chosen, shuffle);
}

/**
 * Makes the choice that `filter_glob` asks for.
 * @param filter - a glob of suites, or one of suites and one of cases with a dot between
 * @throws KpkeysError ERR_USAGE for a pattern that is none
 */
export function readFilter(filter: string): (suite: string, kunitCase: string) => boolean {
  const [, suite, kunitCase = "*"] = /^([^.]*)(?:\.(.*))?$/s.exec(filter)!;
  const suites = createGlob(suite!);
  const cases = createGlob(kunitCase);
  return (suiteName, caseName) => suites(suiteName) && cases(caseName);
}
