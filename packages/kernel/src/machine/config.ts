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

/** The default of test symbols. */
const ALL_TESTS = "KUNIT_ALL_TESTS";

/**
 * The `.config` lines of a machine. If they do not set CONFIG_KUNIT, this adds it and the tests of the machine's plugins, as a
 * `.kunitconfig` does.
 * @param spec - the specification
 * @param registry - the available plugins
 */
export function configLinesOf(
  { arch, features, config = [] }: MachineSpec,
  registry: PluginRegistry,
): readonly string[] {
  const symbols = readConfig(config);
  if (symbols.has("KUNIT")) return config;
  const plugins = registry.plugins.filter(({ id }) => id === arch || features.includes(id));
  const tests = plugins.flatMap(testsOf).filter((symbol) => !symbols.has(symbol));
  return [...config, "CONFIG_KUNIT=y", ...tests.map((symbol) => `CONFIG_${symbol}=y`)];
}

function testsOf({ config = [] }: Plugin): string[] {
  return config.filter((each) => each.default === ALL_TESTS).map(({ symbol }) => symbol);
}

/**
 * The enabled config symbols of a machine, including the kernel's.
 * @param plugins - the machine's plugins
 * @param lines - its `.config` lines
 * @throws KpkeysError ERR_CONFIG_DEPENDS
 */
export function kernelConfigOf(plugins: readonly Plugin[], lines: readonly string[]): KernelConfig {
  return resolveConfig([...plugins, KERNEL], readConfig(lines));
}
