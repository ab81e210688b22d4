import type { Command } from "../commander.js";
import { IdsOption } from "./ids-option.js";
import type { PluginEntry } from "./registry.js";

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
