import { readConfig, resolveConfig } from "@kpkeys/core";
import type { ConfigSource, PluginRegistry } from "@kpkeys/core";
import type { KernelConfig, Plugin } from "@kpkeys/core/contracts";
import type { MachineSpec } from "./spec.js";

/** The kernel's own symbols: mm/Kconfig. */
const KERNEL: ConfigSource = {
  id: "kernel",
  kind: "feature",
  config: [{ symbol: "LAZY_MMU_MODE_KUNIT_TEST", dependsOn: ["KUNIT"], default: "KUNIT_ALL_TESTS" }],
};

/** The symbol that builds a test unless a config says otherwise. */
const ALL_TESTS = "KUNIT_ALL_TESTS";

/**
 * The `.config` lines of a machine. Lines that say nothing of KUnit leave it on, with the tests that come along with the plugins:
 * what the `.kunitconfig` of a feature under development holds.
 * @param spec - the machine
 * @param registry - its plugins
 */
export function configLinesOf(
  { arch, features, config = [] }: MachineSpec,
  registry: PluginRegistry,
): readonly string[] {
  const said = readConfig(config);
  if (said.has("KUNIT")) return config;
  const plugins = registry.plugins.filter(({ id }) => id === arch || features.includes(id));
  const tests = plugins.flatMap(testsOf).filter((symbol) => !said.has(symbol));
  return [...config, "CONFIG_KUNIT=y", ...tests.map((symbol) => `CONFIG_${symbol}=y`)];
}

function testsOf({ config = [] }: Plugin): string[] {
  return config.filter((each) => each.default === ALL_TESTS).map(({ symbol }) => symbol);
}

/**
 * The config symbols that are on in a machine, the kernel's own among them.
 * @param plugins - that it was set up with
 * @param lines - its `.config` lines
 * @throws KpkeysError ERR_CONFIG_DEPENDS
 */
export function kernelConfigOf(plugins: readonly Plugin[], lines: readonly string[]): KernelConfig {
  return resolveConfig([...plugins, KERNEL], readConfig(lines));
}
