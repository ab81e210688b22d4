import { createPluginRegistry } from "@kpkeys/core";
import { checkConformance } from "@kpkeys/kunit-suite/conformance";
import { ARCHES, FEATURES } from "../plugins.js";
import { verdictOf } from "../report/check-plugin.js";
import type { CheckPluginReport, PluginVerdict } from "../report/check-plugin.js";
import { loadPluginFrom } from "./load.js";

/**
 * Judges the plugins of a package by the conformance kit, which runs its code: architectures with the bundled features, features on
 * the bundled architectures.
 * @param path - the folder of a package, or an ES module
 * @throws KpkeysError for what cannot be loaded or is no plugin
 */
export async function judgePlugins(path: string): Promise<CheckPluginReport> {
  const { plugins, exports, files } = await loadPluginFrom(path);
  const [arches, features] = await Promise.all([loadAll(ARCHES), loadAll(FEATURES)]);
  // A second copy of core, which the package may have brought, is refused before any rule fails because of it.
  createPluginRegistry(arches);
  const verdicts: PluginVerdict[] = [];
  for (const plugin of plugins) {
    const subject = { plugin, exports, arches, features, ...(files !== undefined && { files }) };
    verdicts.push(verdictOf(plugin, await checkConformance(subject)));
  }
  return { path, package: files?.name ?? null, plugins: verdicts };
}

function loadAll<T>(loaders: Readonly<Record<string, () => Promise<T>>>): Promise<T[]> {
  return Promise.all(Object.values(loaders).map((load) => load()));
}
