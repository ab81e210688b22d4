/** A policy whose overhead was published: with a switch in each setter, and batched in lazy MMU sections. */
export type HardenedPolicy = "naive" | "batched";

/** How the hardening is used: as published, or not at all. */
export type Policy = "off" | HardenedPolicy;
