import { KpkeysError } from "@kpkeys/core";
import { readPluginConfig } from "./config.js";
import { loadPlugin, loadSources } from "./load.js";
import { BUNDLED } from "./registry.js";
import type { PluginEntry } from "./registry.js";
import { shareCopies } from "./shared-copies.js";
import { findPlugin } from "./source.js";
import type { PluginSource } from "./source.js";

/**
 * Finds the plugins that the user named.
 * @param specs - the values of `--plugin`
 * @param config - the configuration file, if there is one; its code is run
 * @returns the plugins of the file, then those of the flags
 * @throws KpkeysError the errors of {@link readPluginConfig} and {@link findPlugin}
 */
export async function findNamed(specs: readonly string[], config: string | undefined): Promise<PluginSource[]> {
  await shareCopies();
  const configured = config === undefined ? [] : await readPluginConfig(config);
  return [...configured, ...specs.map((spec) => findPlugin(spec, process.cwd()))];
}

/**
 * Loads plugins and adds them to the bundled ones.
 * @param sources - the plugins that the user named
 * @returns the bundled plugins first
 * @throws KpkeysError ERR_PLUGIN_DUPLICATE for two plugins with the same id, and the errors of {@link loadSources}
 */
export async function withBundled(sources: readonly PluginSource[]): Promise<readonly PluginEntry[]> {
  await shareCopies();
  const all: PluginEntry[] = [...BUNDLED];
  for (const entry of await loadSources(sources)) {
    const other = all.find(({ id }) => id === entry.id);
    if (other === undefined) all.push(entry);
    else if ((await loadPlugin(other)) !== (await loadPlugin(entry))) throw duplicate(entry, other);
  }
  return all;
}

function duplicate({ id, module }: PluginEntry, other: PluginEntry): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_DUPLICATE", `two plugins have the id '${id}': ${other.module} and ${module}`, {
    expected: "unique ids: rename one plugin, or load one of them only",
  });
}
