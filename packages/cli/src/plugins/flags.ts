import { Option } from "../commander.js";
import type { Command } from "../commander.js";
import { readable } from "../errors.js";
import { findConfig } from "./config-search.js";
import { IdsOption } from "./ids-option.js";
import { BUNDLED } from "./registry.js";
import type { PluginEntry } from "./registry.js";
import type { PluginSource } from "./source.js";

/** What the user says about plugins. */
export interface NamingFlags {
  /** Names of packages and paths. */
  readonly plugin?: readonly string[];
  /** Whether the configuration file is left alone. */
  readonly noConfig?: true;
}

/**
 * Gives a command the flags that name plugins.
 * @param command - the command
 * @returns the command
 */
export function withPluginFlags(command: Command): Command {
  const noConfig = new Option("--no-config", "leave kpkeys.config.{js,mjs,ts,json} alone");
  // It is no negation of --config, which is about the kernel's configuration.
  noConfig.negate = false;
  return command
    .addOption(
      new Option(
        "--plugin <spec>",
        "load a plugin: a package's name, or the path of its folder or module; repeatable",
      ).argParser((spec, specs: readonly string[] | undefined) => [...(specs ?? []), spec]),
    )
    .addOption(noConfig);
}

/**
 * Finds the plugins that the user named by flags and by the configuration file, which stderr says.
 * @param flags - the flags
 * @throws KpkeysError for a plugin that there is not, and a file that is none
 */
export async function findPlugins({ plugin = [], noConfig }: NamingFlags): Promise<PluginSource[]> {
  const config = noConfig === true ? undefined : findConfig(process.cwd());
  if (config !== undefined) process.stderr.write(`kpkeys: configuration: ${readable(config)}\n`);
  if (config === undefined && plugin.length === 0) return [];
  const { findNamed } = await import("./named.js");
  return findNamed(plugin, config);
}

/**
 * Loads the plugins that the user named by flags and by the configuration file.
 * @param flags - the flags
 * @returns the bundled plugins, of which none is loaded, and after them those
 * @throws KpkeysError for what is no plugin
 */
export async function loadPlugins(flags: NamingFlags): Promise<readonly PluginEntry[]> {
  const sources = await findPlugins(flags);
  if (sources.length === 0) return BUNDLED;
  const { withBundled } = await import("./named.js");
  return withBundled(sources);
}

/**
 * Gives a command the plugins that there are as its flag `plugins`, and its flags that take ids the ids of these.
 * @param command - the command, parsed
 * @param plugins - the plugins
 * @throws InvalidArgumentError for an id that no plugin has
 */
export function completeFlags(command: Command, plugins: readonly PluginEntry[]): void {
  command.setOptionValue("plugins", plugins);
  for (const option of command.options) if (option instanceof IdsOption) option.complete(command, plugins);
}
