import type { Plugin } from "@kpkeys/core/contracts";
import { Option } from "../commander.js";
import type { Command } from "../commander.js";
import { BUNDLED, chooseIds, idsOf } from "./registry.js";
import type { PluginEntry } from "./registry.js";

/** An option whose value is a list of plugin ids. They are checked after the plugins are loaded. */
export class IdsOption extends Option {
  /** The kind of the plugins. */
  readonly kind: Plugin["kind"];
  readonly #defaults: (plugins: readonly PluginEntry[]) => readonly string[];

  /**
   * @param flags - the flag and the name of its value
   * @param description - for the help
   * @param kind - the kind of the plugins
   * @param defaults - the ids if the flag is not given; all of the kind if left out
   */
  constructor(
    flags: string,
    description: string,
    kind: Plugin["kind"],
    defaults: (plugins: readonly PluginEntry[]) => readonly string[] = (plugins) => idsOf(kind, plugins),
  ) {
    super(flags, description);
    this.kind = kind;
    this.#defaults = defaults;
    const ids = defaults(BUNDLED);
    this.argParser((text) => text.split(",").map((name) => name.trim())).default(ids, ids.join(","));
  }

  /**
   * Checks the ids of the option and sets its default.
   * @param command - the parsed command
   * @param plugins - all loaded plugins
   * @throws InvalidArgumentError for an id that no plugin of the kind has
   */
  complete(command: Command, plugins: readonly PluginEntry[]): void {
    const name = this.attributeName();
    const source = command.getOptionValueSource(name);
    const given = command.getOptionValue(name) as readonly string[];
    const ids = source === "default" ? this.#defaults(plugins) : chooseIds(this.kind, given, plugins);
    command.setOptionValueWithSource(name, ids, source);
  }
}
