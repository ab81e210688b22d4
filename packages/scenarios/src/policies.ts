import type { PluginOptions } from "@kpkeys/core/contracts";

/** How the hardening is used: not at all, with one switch in each setter, or with the batching of the version (none before v4). */
export type Policy = "off" | "naive" | "batched";

/**
 * The policies, weakest first: options by plugin id, on top of those of the version. `null` is a machine without features.
 */
export const POLICIES: Readonly<Record<Policy, Readonly<Record<string, PluginOptions>> | null>> = {
  off: null,
  naive: { pgtables: { batching: false } },
  batched: {},
};
