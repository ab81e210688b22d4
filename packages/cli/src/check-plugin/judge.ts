import { createPluginRegistry } from "@kpkeys/core";
import { checkConformance } from "@kpkeys/kunit-suite/conformance";
import { loadPlugin } from "../plugins/load.js";
import { withBundled } from "../plugins/named.js";
import type { PluginSource } from "../plugins/source.js";
import { verdictOf } from "../report/check-plugin.js";
import type { CheckPluginReport, PluginVerdict } from "../report/check-plugin.js";
import { loadPluginFrom } from "./load.js";

/**
 * Runs the conformance kit on the plugins of a package: an architecture with the other features, a feature on the other architectures.
 * Runs the code of the package.
 * @param path - the folder of a package, or an ES module
 * @param others - other plugins that the user named
 * @returns the report
 * @throws KpkeysError ERR_PLUGIN_LOAD, ERR_PLUGIN_INVALID, ERR_CORE_DUPLICATE, ERR_INPUT_MISSING, ERR_INPUT_KIND
 */
export async function judgePlugins(path: string, others: readonly PluginSource[]): Promise<CheckPluginReport> {
  const { plugins, exports, files } = await loadPluginFrom(path);
  const loaded = await Promise.all((await withBundled(others)).map(loadPlugin));
  const arches = loaded.filter(({ kind }) => kind === "arch");
  const features = loaded.filter(({ kind }) => kind === "feature");
  // The registry rejects a second copy of core, which the package may bundle. Otherwise rules would fail because of it.
  createPluginRegistry(arches);
  const verdicts: PluginVerdict[] = [];
  for (const plugin of plugins) {
    const subject = { plugin, exports, arches, features, ...(files !== undefined && { files }) };
    verdicts.push(verdictOf(plugin, await checkConformance(subject)));
  }
  return { path, package: files?.name ?? null, plugins: verdicts };
}
