import { createPluginRegistry, pluginsOf } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { PluginEntry } from "./registry.js";

/**
 * Loads a plugin.
 * @param entry - the plugin
 */
export async function loadPlugin({ id, module }: PluginEntry): Promise<Plugin> {
  const exports = (await import(module)) as Readonly<Record<string, unknown>>;
  return pluginsOf(exports).find((plugin) => plugin.id === id)!;
}

/**
 * Loads plugins.
 * @param entries - the plugins
 * @param tools - plugins that only look
 * @returns a registry of these and of no other
 */
export async function loadRegistry(
  entries: readonly PluginEntry[],
  tools: readonly Plugin[] = [],
): Promise<PluginRegistry> {
  const plugins = await Promise.all(entries.map(loadPlugin));
  return createPluginRegistry([...plugins, ...tools]);
}
