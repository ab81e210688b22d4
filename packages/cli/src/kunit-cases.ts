import type { KunitSuite } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { createGlob } from "./glob.js";

/** The KUnit cases to run, and their order. */
export interface KunitChoice {
  /** KUnit's `filter_glob`: a glob of suites, or one of suites and one of cases with a dot between. All cases if left out. */
  readonly filter?: string;
  /** Seed of the order of the cases of a suite; the order of the suite if left out. */
  readonly shuffle?: number;
}

/**
 * The chosen suites and cases of a machine.
 * @param machine - the machine
 * @param choice - the choice
 * @throws KpkeysError ERR_USAGE for a malformed filter; ERR_SPEC for invalid options of a suite
 */
export async function chooseSuites(machine: Machine, choice: KunitChoice): Promise<readonly KunitSuite[]> {
  const { filterSuites, shuffleSuites, suitesOf } = await import("@kpkeys/kunit-suite");
  const { filter, shuffle } = choice;
  const built = suitesOf(machine);
  const chosen = filter === undefined ? built : filterSuites(built, readFilter(filter));
  return shuffle === undefined ? chosen : shuffleSuites(chosen, shuffle);
}

/**
 * Compiles a `filter_glob`.
 * @param filter - a glob of suites, or one of suites and one of cases with a dot between
 * @returns a function that returns whether a case matches
 * @throws KpkeysError ERR_USAGE for a malformed pattern
 */
export function readFilter(filter: string): (suite: string, kunitCase: string) => boolean {
  const [, suite, kunitCase = "*"] = /^([^.]*)(?:\.(.*))?$/s.exec(filter)!;
  const suites = createGlob(suite!);
  const cases = createGlob(kunitCase);
  return (suiteName, caseName) => suites(suiteName) && cases(caseName);
}
