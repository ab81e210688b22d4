import { KpkeysError, Random } from "@kpkeys/core";
import { ExtensionPoints, KernelConfig, KunitOptions } from "@kpkeys/core/contracts";
import type { KunitSuite, PluginOptions } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { hardenedPgtables } from "./suites/hardened-pgtables.js";
import { lazyMmuMode } from "./suites/lazy-mmu-mode.js";

/** The member of a booted machine that suites use. */
export type MachineUnderTest = Pick<Machine, "get">;

/** The suites of mm/tests, by the key of their options in `MachineSpec.kunit`. */
const KERNEL_SUITES: Readonly<Record<string, (options: PluginOptions) => KunitSuite>> = {
  kpkeys_hardened_pgtables: hardenedPgtables,
  lazy_mmu_mode: () => lazyMmuMode,
};

/**
 * The suites that are built into a machine's kernel: those of the kernel's sources and those that features add with
 * `ExtensionPoints.addSuite`, if their config symbol is on. Each suite has the cases whose config symbol is on.
 *
 * @param machine - the machine
 * @returns the suites, in the order in which they run
 * @throws KpkeysError ERR_SPEC if `MachineSpec.kunit` has an unknown suite or an unknown option
 */
export function suitesOf(machine: MachineUnderTest): readonly KunitSuite[] {
  const options = machine.get(KunitOptions);
  for (const suite of Object.keys(options)) {
    if (Object.hasOwn(KERNEL_SUITES, suite)) continue;
    throw new KpkeysError("ERR_SPEC", `unknown suite '${suite}'`, {
      where: "kunit",
      expected: Object.keys(KERNEL_SUITES).join(", "),
    });
  }
  const kernels = Object.entries(KERNEL_SUITES).map(([suite, make]) => make(options[suite] ?? {}));
  const config = machine.get(KernelConfig);
  const isOn = (each: { readonly config?: string }): boolean => each.config === undefined || config.has(each.config);
  return [...kernels, ...machine.get(ExtensionPoints).suites]
    .filter(isOn)
    .map((suite) => ({ ...suite, cases: suite.cases.filter(isOn) }));
}

/**
 * Removes cases, and suites without cases, as KUnit's `filter_glob` does.
 *
 * @param suites - the suites
 * @param keeps - decides by the names of suite and case whether a case stays
 */
export function filterSuites(
  suites: readonly KunitSuite[],
  keeps: (suite: string, kunitCase: string) => boolean,
): readonly KunitSuite[] {
  return suites
    .map((suite) => ({ ...suite, cases: suite.cases.filter(({ name }) => keeps(suite.name, name)) }))
    .filter(({ cases }) => cases.length > 0);
}

/**
 * Shuffles the cases of each suite, to find cases that pass only after others.
 *
 * @param suites - the suites
 * @param seed - a whole number that selects the order
 */
export function shuffleSuites(suites: readonly KunitSuite[], seed: number): readonly KunitSuite[] {
  const random = new Random(seed);
  return suites.map((suite) => {
    const cases = [...suite.cases];
    for (let last = cases.length - 1; last > 0; last--) {
      const chosen = random.below(last + 1);
      [cases[last], cases[chosen]] = [cases[chosen]!, cases[last]!];
    }
    return { ...suite, cases };
  });
}
