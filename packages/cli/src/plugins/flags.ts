import { Option } from "../commander.js";
import type { Command } from "../commander.js";
import { readable } from "../errors.js";
import { findConfig } from "./config-search.js";
import { IdsOption } from "./ids-option.js";
import { BUNDLED } from "./registry.js";
import type { PluginEntry } from "./registry.js";
import type { PluginSource } from "./source.js";

/** The flags that name plugins. */
export interface NamingFlags {
  /** Names of packages and paths. */
  readonly plugin?: readonly string[];
  /** Whether the configuration file is ignored. */
  readonly noConfig?: true;
}

/**
 * Adds the flags that name plugins to a command.
 * @param command - the command
 * @returns the command
 */
export function withPluginFlags(command: Command): Command {
  const noConfig = new Option("--no-config", "ignore kpkeys.config.{js,mjs,ts,json}");
  // Commander would take it for the negation of --config, which names a kernel config.
  noConfig.negate = false;
  return command
    .addOption(
      new Option(
        "--plugin <spec>",
        "load a plugin: the name of a package, or the path of its folder or module; repeatable",
      ).argParser((spec, specs: readonly string[] | undefined) => [...(specs ?? []), spec]),
    )
    .addOption(noConfig);
}

/**
 * Finds the plugins of the flags and of the configuration file. Prints the path of that file on stderr.
 * @param flags - the flags
 * @returns the modules of the plugins, none of them loaded
 * @throws KpkeysError ERR_PLUGIN_MISSING, ERR_PLUGIN_CONFIG, ERR_PLUGIN_CONFIG_THROWS, ERR_PLUGIN_INVALID, ERR_INPUT_MISSING, ERR_INPUT_KIND
 */
export async function findPlugins({ plugin = [], noConfig }: NamingFlags): Promise<PluginSource[]> {
  const config = noConfig === true ? undefined : findConfig(process.cwd());
  if (config !== undefined) process.stderr.write(`kpkeys: configuration: ${readable(config)}\n`);
  if (config === undefined && plugin.length === 0) return [];
  const { findNamed } = await import("./named.js");
  return findNamed(plugin, config);
}

/**
 * Loads the plugins of the flags and of the configuration file.
 * @param flags - the flags
 * @returns the bundled plugins, which are loaded on first use, then the others
 * @throws KpkeysError the errors of {@link findPlugins}; ERR_PLUGIN_LOAD, ERR_PLUGIN_CONTRACT, ERR_PLUGIN_DUPLICATE
 */
export async function loadPlugins(flags: NamingFlags): Promise<readonly PluginEntry[]> {
  const sources = await findPlugins(flags);
  if (sources.length === 0) return BUNDLED;
  const { withBundled } = await import("./named.js");
  return withBundled(sources);
}

/**
 * Sets the option `plugins` of a command, and checks the ids of its options against the plugins.
 * @param command - the parsed command
 * @param plugins - all loaded plugins
 * @throws InvalidArgumentError for an id that no plugin has
 */
export function completeFlags(command: Command, plugins: readonly PluginEntry[]): void {
  command.setOptionValue("plugins", plugins);
  for (const option of command.options) if (option instanceof IdsOption) option.complete(command, plugins);
}
