import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT } from "../errors.js";
import { MANIFEST } from "../package-files.js";
import { loadPlugin } from "../plugins/load.js";
import type { PluginEntry } from "../plugins/registry.js";
import { pluginsTextOf } from "../report/plugins.js";
import type { LoadedPlugin } from "../report/plugins.js";
import { printReport } from "./print.js";

/** The flags of `kpkeys plugins`. */
export interface PluginsFlags {
  /** All loaded plugins. */
  readonly plugins: readonly PluginEntry[];
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/**
 * `kpkeys plugins`: lists the loaded plugins.
 * @param flags - the command line's
 * @returns the exit status
 * @throws KpkeysError ERR_PLUGIN_LOAD
 */
export async function plugins({ plugins, json }: PluginsFlags): Promise<number> {
  const loaded = await Promise.all(plugins.map(describe));
  printReport(json, loaded, (style) => pluginsTextOf(loaded, style));
  return EXIT.GOOD;
}

async function describe(entry: PluginEntry): Promise<LoadedPlugin> {
  const { id, kind, contract } = await loadPlugin(entry);
  const file = fileOf(entry);
  return { id, kind, version: versionOf(dirname(file)), contract, file };
}

function fileOf({ module }: PluginEntry): string {
  return module.startsWith("file:") ? fileURLToPath(module) : createRequire(MANIFEST).resolve(module);
}

/** The version of the package that contains a folder; `null` if there is none. */
function versionOf(folder: string): string | null {
  const manifest = join(folder, "package.json");
  if (existsSync(manifest)) {
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version?: unknown };
    return typeof version === "string" ? version : null;
  }
  const above = dirname(folder);
  return above === folder ? null : versionOf(above);
}
