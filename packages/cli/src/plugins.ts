import type { PluginRegistry } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";

/** The id of an architecture's plugin. */
export type ArchId = "arm64-poe" | "x86-pks";

/** The id of a feature's plugin. */
export type FeatureId = "pgtables" | "cred";

/** The architectures by id, each loaded when a machine is made of it. */
export const ARCHES: Readonly<Record<ArchId, () => Promise<Plugin>>> = {
  "arm64-poe": async () => (await import("@kpkeys/arch-arm64-poe")).arm64Poe,
  "x86-pks": async () => (await import("@kpkeys/arch-x86-pks")).x86Pks,
};

/** The features by id, loaded likewise. */
export const FEATURES: Readonly<Record<FeatureId, () => Promise<Plugin>>> = {
  pgtables: async () => (await import("@kpkeys/pgtables-hardening")).pgtablesHardening,
  cred: async () => (await import("@kpkeys/cred-hardening")).credHardening,
};

/** The features of a machine of which nobody says otherwise: what the posted series has. */
export const DEFAULT_FEATURES: readonly FeatureId[] = ["pgtables"];

/**
 * A registry of the plugins that one machine names, and of no other.
 * @param arch - id of its architecture
 * @param features - ids of its features
 * @param tools - plugins that only look
 */
export async function loadPlugins(
  arch: ArchId,
  features: readonly FeatureId[],
  tools: readonly Plugin[] = [],
): Promise<PluginRegistry> {
  const { createPluginRegistry } = await import("@kpkeys/core");
  const plugins = await Promise.all([ARCHES[arch](), ...features.map((id) => FEATURES[id]())]);
  return createPluginRegistry([...plugins, ...tools]);
}
