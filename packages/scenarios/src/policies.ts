import type { PluginOptions } from "@kpkeys/core/contracts";

/** Use of the hardening: off, a switch of the key register in each setter, or the batching of the version (none before v4). */
export type Policy = "off" | "naive" | "batched";

/**
 * The policies: options by plugin id, applied after those of the version. `null` is a machine without features.
 */
export const POLICIES: Readonly<Record<Policy, Readonly<Record<string, PluginOptions>> | null>> = {
  off: null,
  naive: { pgtables: { batching: false } },
  batched: {},
};
