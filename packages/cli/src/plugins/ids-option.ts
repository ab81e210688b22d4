import type { Plugin } from "@kpkeys/core/contracts";
import { Option } from "../commander.js";
import type { Command } from "../commander.js";
import { BUNDLED, chooseIds, idsOf } from "./registry.js";
import type { PluginEntry } from "./registry.js";

/** An option whose value is a list of ids of plugins. They are checked once the plugins are known. */
export class IdsOption extends Option {
  /** The kind of the plugins. */
  readonly kind: Plugin["kind"];
  readonly #standard: (plugins: readonly PluginEntry[]) => readonly string[];

  /**
   * @param flags - the flag and the name of its value
   * @param description - for the help
   * @param kind - the kind of the plugins
   * @param standard - the ids unless the flag is given; all of the kind if left out
   */
  constructor(
    flags: string,
    description: string,
    kind: Plugin["kind"],
    standard: (plugins: readonly PluginEntry[]) => readonly string[] = (plugins) => idsOf(kind, plugins),
  ) {
    super(flags, description);
    this.kind = kind;
    this.#standard = standard;
    const ids = standard(BUNDLED);
    this.argParser((text) => text.split(",").map((name) => name.trim())).default(ids, ids.join(","));
  }

  /**
   * Gives a command's option its value for the plugins that there are.
   * @param command - the command, parsed
   * @param plugins - the plugins
   * @throws InvalidArgumentError for an id that no plugin of the kind has
   */
  complete(command: Command, plugins: readonly PluginEntry[]): void {
    const name = this.attributeName();
    const source = command.getOptionValueSource(name);
    const given = command.getOptionValue(name) as readonly string[];
    const ids = source === "default" ? this.#standard(plugins) : chooseIds(this.kind, given, plugins);
    command.setOptionValueWithSource(name, ids, source);
  }
}
