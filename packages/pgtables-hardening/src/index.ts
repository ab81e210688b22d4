/**
 * Kernel page tables protected by a kernel protection key, `kpkeys_hardened_pgtables` of the series: a feature for machines of
 * any architecture with kernel pkeys.
 *
 * @packageDocumentation
 */
export { BlockAllocatorStats } from "./block-allocator/stats.js";
export { pgtablesHardening } from "./plugin.js";
export type { PgtablesOptions } from "./options.js";
export { PgtablesWarnings } from "./warnings.js";
