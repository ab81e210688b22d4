import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { pluginsOf } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "@kpkeys/kunit-suite/conformance";
import { checkModuleFiles, readPackage } from "@kpkeys/kunit-suite/node";
import { importExports, noPlugin } from "../plugins/load.js";
import type { Exports } from "../plugins/load.js";
import { pluginPathKind } from "./path.js";

/** The plugins of a package or module. */
export interface LoadedPlugins {
  /** The exported plugins, each once. */
  readonly plugins: readonly Plugin[];
  /** All exports. */
  readonly exports: Exports;
  /** The files of the package; undefined for a module. */
  readonly files: PackageFiles | undefined;
}

/**
 * Loads the plugins of a package or module. Runs its code.
 * @param path - the folder of a built package, or an ES module
 * @returns its plugins, at least one
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_PLUGIN_INVALID, ERR_PLUGIN_LOAD
 */
export async function loadPluginFrom(path: string): Promise<LoadedPlugins> {
  const files = pluginPathKind(path) === "folder" ? readPackage(path) : undefined;
  if (files === undefined) checkModuleFiles(resolve(path));
  const module = files?.entry ?? resolve(path);
  const exports = await importExports(pathToFileURL(module).href, module);
  const plugins = pluginsOf(exports);
  if (plugins.length === 0) throw noPlugin(path);
  return { plugins, exports, files };
}
