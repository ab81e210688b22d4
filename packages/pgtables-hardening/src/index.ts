/**
 * The feature `kpkeys_hardened_pgtables`: page tables protected by a kernel protection key, on every architecture with kernel pkeys.
 *
 * @packageDocumentation
 */
export { BlockAllocatorStats } from "./block-allocator/stats.js";
export { pgtablesHardening } from "./plugin.js";
export type { PgtablesOptions } from "./options.js";
export { PgtablesWarnings } from "./warnings.js";
