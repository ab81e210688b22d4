import { createPluginRegistry } from "@kpkeys/core";
import { checkConformance } from "@kpkeys/kunit-suite/conformance";
import { loadPluginFrom } from "../check-plugin/load.js";
import { EXIT } from "../errors.js";
import { ARCHES, FEATURES } from "../plugins.js";
import { checkPluginTextOf, verdictOf } from "../report/check-plugin.js";
import type { CheckPluginReport, PluginVerdict } from "../report/check-plugin.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/**
 * `kpkeys check-plugin`: judges the plugins of a package by the conformance kit; architectures with the features that come along,
 * features on the architectures that do.
 * @param path - the folder of a package, or an ES module
 * @param flags - the command line's
 * @returns the exit status
 * @throws KpkeysError for what cannot be loaded or is no plugin
 */
export async function checkPlugin(path: string, { json }: { readonly json?: boolean }): Promise<number> {
  const { plugins, exports, files } = await loadPluginFrom(path);
  const [arches, features] = await Promise.all([loadAll(ARCHES), loadAll(FEATURES)]);
  // A second copy of core, which the package may have brought, is refused before any rule fails because of it.
  createPluginRegistry(arches);
  const verdicts: PluginVerdict[] = [];
  for (const plugin of plugins) {
    const subject = { plugin, exports, arches, features, ...(files !== undefined && { files }) };
    verdicts.push(verdictOf(plugin, await checkConformance(subject)));
  }
  const report: CheckPluginReport = { path, package: files?.name ?? null, plugins: verdicts };
  if (json === true) printJson(report);
  else print(checkPluginTextOf(report, styleFor(process.stdout)));
  return verdicts.some(({ counts }) => counts.failed > 0) ? EXIT.FAILED : EXIT.GOOD;
}

function loadAll<T>(loaders: Readonly<Record<string, () => Promise<T>>>): Promise<T[]> {
  return Promise.all(Object.values(loaders).map((load) => load()));
}
