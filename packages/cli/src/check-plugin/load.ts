import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { pluginsOf } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "@kpkeys/kunit-suite/conformance";
import { checkModuleFiles, readPackage } from "@kpkeys/kunit-suite/node";
import { importExports, noPlugin } from "../plugins/load.js";
import type { Exports } from "../plugins/load.js";
import { pluginPathKind } from "./path.js";

/** Plugins as they were found on the disk. */
export interface LoadedPlugins {
  /** The plugins that it exports, each once. */
  readonly plugins: readonly Plugin[];
  /** All that it exports. */
  readonly exports: Exports;
  /** The package; undefined where a module was given. */
  readonly files: PackageFiles | undefined;
}

/**
 * Loads what may be a plugin, which runs its code.
 * @param path - the folder of a package, built; or an ES module
 * @returns its plugins
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
