import { KpkeysError, Random } from "@kpkeys/core";
import { ExtensionPoints, KernelConfig, KunitOptions } from "@kpkeys/core/contracts";
import type { KunitSuite, PluginOptions } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { hardenedPgtables } from "./suites/hardened-pgtables.js";
import { lazyMmuMode } from "./suites/lazy-mmu-mode.js";

/** A machine that has booted, as far as suites and attacks need it. */
export type MachineUnderTest = Pick<Machine, "get">;

/** The suites of mm/tests, by the key of their options in a machine's specification. */
const KERNEL_SUITES: Readonly<Record<string, (options: PluginOptions) => KunitSuite>> = {
  kpkeys_hardened_pgtables: hardenedPgtables,
  lazy_mmu_mode: () => lazyMmuMode,
};

/**
 * The suites that are built into a machine's kernel: of those in the kernel's own sources and of those that its features bring with
 * `ExtensionPoints.addSuite`, the ones whose config symbol is on, each with the cases whose symbol is on.
 *
 * @param machine - the machine
 * @returns the suites in the order in which they run
 * @throws KpkeysError ERR_SPEC for options of a suite that does not exist, and for options that it does not have
 */
export function suitesOf(machine: MachineUnderTest): readonly KunitSuite[] {
  const options = machine.get(KunitOptions);
  for (const suite of Object.keys(options)) {
    if (Object.hasOwn(KERNEL_SUITES, suite)) continue;
    throw new KpkeysError("ERR_SPEC", `options are given for the suite '${suite}', which does not exist`, {
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
 * Leaves out cases, and suites that have none left: KUnit's `filter_glob`.
 *
 * @param suites - what to choose from
 * @param keeps - whether a case stays, by the names of its suite and its own
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
 * The same suites with the cases of each in an order that a seed draws, to find cases that hold only after others.
 *
 * @param suites - the suites
 * @param seed - a whole number
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
