import { createPluginRegistry } from "@kpkeys/core";
import { checkConformance } from "@kpkeys/kunit-suite/conformance";
import { loadPlugin } from "../plugins/load.js";
import { withBundled } from "../plugins/named.js";
import type { PluginSource } from "../plugins/source.js";
import { verdictOf } from "../report/check-plugin.js";
import type { CheckPluginReport, PluginVerdict } from "../report/check-plugin.js";
import { loadPluginFrom } from "./load.js";

/**
 * Judges the plugins of a package by the conformance kit, which runs its code: architectures with other features, features on other
 * architectures.
 * @param path - the folder of a package, or an ES module
 * @param others - what the user named besides
 * @throws KpkeysError for what cannot be loaded or is no plugin
 */
export async function judgePlugins(path: string, others: readonly PluginSource[]): Promise<CheckPluginReport> {
  const { plugins, exports, files } = await loadPluginFrom(path);
  const loaded = await Promise.all((await withBundled(others)).map(loadPlugin));
  const arches = loaded.filter(({ kind }) => kind === "arch");
  const features = loaded.filter(({ kind }) => kind === "feature");
  // A second copy of core, which the package may have brought, is refused before any rule fails because of it.
  createPluginRegistry(arches);
  const verdicts: PluginVerdict[] = [];
  for (const plugin of plugins) {
    const subject = { plugin, exports, arches, features, ...(files !== undefined && { files }) };
    verdicts.push(verdictOf(plugin, await checkConformance(subject)));
  }
  return { path, package: files?.name ?? null, plugins: verdicts };
}
