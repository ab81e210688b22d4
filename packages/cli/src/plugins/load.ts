import { checkPluginForm, createPluginRegistry, KpkeysError, pluginsOf } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { reasonOf } from "../check-plugin/reason.js";
import type { KpkeysConfig } from "./define-config.js";
import type { PluginEntry } from "./registry.js";
import type { PluginSource } from "./source.js";

/** The exports of a module, by name. */
export type Exports = Readonly<Record<string, unknown>>;

/**
 * Imports a module, which runs its code.
 * @param module - the name of a package that the command depends on, or the URL of a file
 * @param where - the name of the module in messages
 * @throws KpkeysError ERR_PLUGIN_LOAD
 */
export async function importExports(module: string, where: string): Promise<Exports> {
  try {
    return (await import(module)) as Exports;
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new KpkeysError("ERR_PLUGIN_LOAD", reason, { where, expected: neededFor(reason), cause });
  }
}

/** Describes the need of an import, by the reason of its failure. Node.js names the package that is not installed. */
function neededFor(reason: string): string {
  const name = /^Cannot find package '([\w@./-]+)'/.exec(reason)?.[1];
  if (name === undefined) return "an ES module that can be imported";
  return `'${name}' in a node_modules folder of the importing package or above: run npm install ${name} there`;
}

/**
 * Loads the plugins that the user named.
 * @param sources - the modules; duplicates are loaded once
 * @returns the plugins
 * @throws KpkeysError ERR_PLUGIN_LOAD for a module that exports no plugin; ERR_PLUGIN_INVALID, ERR_PLUGIN_CONTRACT
 */
export async function loadSources(sources: readonly PluginSource[]): Promise<PluginEntry[]> {
  const entries: PluginEntry[] = [];
  for (const { where, module } of new Map(sources.map((source) => [source.module, source])).values()) {
    const plugins = exportedBy(await importExports(module, where));
    if (plugins.length === 0) throw noPlugin(where);
    for (const plugin of plugins) {
      checkPluginForm(plugin);
      entries.push({ id: plugin.id, kind: plugin.kind, module });
    }
  }
  return entries;
}

/**
 * The error of a module without a plugin.
 * @param where - the module, as the user named it
 */
export function noPlugin(where: string): KpkeysError {
  const expected = "an export with id, kind and setup, or an array of them";
  return new KpkeysError("ERR_PLUGIN_LOAD", "it exports no plugin", { where, expected });
}

/** The plugins among a module's exports, and those in a configuration file's list. */
function exportedBy(exports: Exports): readonly Plugin[] {
  const { plugins } = (exports["default"] ?? {}) as Partial<KpkeysConfig>;
  return pluginsOf({ ...exports, plugins });
}

/**
 * Loads a plugin.
 * @param entry - the plugin
 * @throws KpkeysError ERR_PLUGIN_LOAD
 */
export async function loadPlugin({ id, module }: PluginEntry): Promise<Plugin> {
  return exportedBy(await importExports(module, module)).find((plugin) => plugin.id === id)!;
}

/**
 * Loads plugins into a registry.
 * @param entries - the plugins
 * @param tools - plugins that only observe the machine
 * @returns a registry with these plugins
 */
export async function loadRegistry(
  entries: readonly PluginEntry[],
  tools: readonly Plugin[] = [],
): Promise<PluginRegistry> {
  const plugins = await Promise.all(entries.map(loadPlugin));
  return createPluginRegistry([...plugins, ...tools]);
}
