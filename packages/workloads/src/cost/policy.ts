/** A policy of RFC v5's overhead table: one key switch per setter, or one per lazy MMU section. */
export type HardenedPolicy = "naive" | "batched";

/** A policy of the page-table hardening. */
export type Policy = "off" | HardenedPolicy;
