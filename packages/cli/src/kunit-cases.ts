import type { KunitSuite } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";

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
 * @throws KpkeysError ERR_SPEC for options that a suite does not have
 */
export async function chooseSuites(machine: Machine, choice: KunitChoice): Promise<readonly KunitSuite[]> {
  const { filterSuites, shuffleSuites, suitesOf } = await import("@kpkeys/kunit-suite");
  const { filter, shuffle } = choice;
  const built = suitesOf(machine);
  const chosen = filter === undefined ? built : filterSuites(built, await readFilter(filter));
  return shuffle === undefined ? chosen : shuffleSuites(chosen, shuffle);
}

/** A glob has `*`, `?` and `[…]`, as the kernel's glob_match() has; nothing else is special. */
async function readFilter(filter: string): Promise<(suite: string, kunitCase: string) => boolean> {
  const { default: picomatch } = await import("picomatch");
  const [, suite, kunitCase = "*"] = /^([^.]*)(?:\.(.*))?$/s.exec(filter)!;
  const [suites, cases] = [suite!, kunitCase].map((glob): ((name: string) => boolean) =>
    glob === ""
      ? () => false
      : picomatch(glob, { dot: true, nobrace: true, noextglob: true, nonegate: true, posix: true }),
  );
  return (suiteName, caseName) => suites!(suiteName) && cases!(caseName);
}
