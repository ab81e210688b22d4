import type { Plugin } from "@kpkeys/core/contracts";
import { InvalidArgumentError } from "../commander.js";

/** A plugin that the command can build machines from. Plain data, which is passed to workers. */
export interface PluginEntry extends Pick<Plugin, "id" | "kind"> {
  /** The module to import: the name of a package that the command depends on, or the URL of a file. */
  readonly module: string;
}

/** The bundled plugins, in the order of reports. Each is loaded when a machine needs it. */
export const BUNDLED: readonly PluginEntry[] = [
  { id: "arm64-poe", kind: "arch", module: "@kpkeys/arch-arm64-poe" },
  { id: "x86-pks", kind: "arch", module: "@kpkeys/arch-x86-pks" },
  { id: "pgtables", kind: "feature", module: "@kpkeys/pgtables-hardening" },
  { id: "cred", kind: "feature", module: "@kpkeys/cred-hardening" },
  { id: "bpf", kind: "feature", module: "@kpkeys/bpf-hardening" },
  { id: "secrets", kind: "feature", module: "@kpkeys/secret-keys" },
];

/** The bundled feature of the posted series. */
const SERIES_FEATURE = "pgtables";

/** The flag and the noun of each kind of plugin. */
const KINDS = { arch: { flag: "--arch", noun: "architecture" }, feature: { flag: "--feature", noun: "feature" } };

/**
 * The ids of all plugins of a kind.
 * @param kind - the kind
 * @param plugins - the plugins
 */
export function idsOf(kind: Plugin["kind"], plugins: readonly PluginEntry[]): string[] {
  return plugins.filter((plugin) => plugin.kind === kind).map(({ id }) => id);
}

/**
 * The default features of a machine: the feature of the posted series, and the features that are not bundled.
 * @param plugins - all loaded plugins
 */
export function defaultFeatures(plugins: readonly PluginEntry[]): string[] {
  const isBundled = (id: string): boolean => BUNDLED.some((bundled) => bundled.id === id);
  return idsOf("feature", plugins).filter((id) => id === SERIES_FEATURE || !isBundled(id));
}

/**
 * Checks the ids that a flag names.
 * @param kind - the kind of the plugins
 * @param names - the ids, as the user typed them
 * @param plugins - all loaded plugins
 * @returns the ids in the order of the plugins, each once
 * @throws InvalidArgumentError for an id that no plugin of the kind has
 */
export function chooseIds(
  kind: Plugin["kind"],
  names: readonly string[],
  plugins: readonly PluginEntry[],
): readonly string[] {
  const known = idsOf(kind, plugins);
  const { flag, noun } = KINDS[kind];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const loaded = known.join(", ");
    throw new InvalidArgumentError(
      `${flag}: no ${noun} '${unknown}' is loaded; expected ${loaded}; load the plugin of another one with --plugin PACKAGE or --plugin ./FOLDER`,
    );
  }
  return known.filter((id) => names.includes(id));
}
