import { KpkeysError } from "@kpkeys/core";
import { readPluginConfig } from "./config.js";
import { loadPlugin, loadSources } from "./load.js";
import { BUNDLED } from "./registry.js";
import type { PluginEntry } from "./registry.js";
import { shareCopies } from "./shared-copies.js";
import { findPlugin } from "./source.js";
import type { PluginSource } from "./source.js";

/**
 * Finds what the user named.
 * @param specs - of the flags
 * @param config - the configuration file, if there is one; its code is run
 * @returns the plugins of the file before those of the flags, without those that the command has itself
 * @throws KpkeysError what {@link readPluginConfig} and {@link findPlugin} throw
 */
export async function findNamed(specs: readonly string[], config: string | undefined): Promise<PluginSource[]> {
  await shareCopies();
  const configured = config === undefined ? [] : await readPluginConfig(config);
  return [...configured, ...specs.map((spec) => findPlugin(spec, process.cwd()))];
}

/**
 * All plugins that there are when the user has named some.
 * @param sources - those that the user named
 * @returns the bundled ones first
 * @throws KpkeysError ERR_PLUGIN_DUPLICATE where two have one id, and what loading throws
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
  return new KpkeysError("ERR_PLUGIN_DUPLICATE", `two plugins have the id '${id}': of ${other.module} and ${module}`, {
    expected: "each id once: rename one, or name one of them only",
  });
}
