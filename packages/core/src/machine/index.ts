/**
 * The machine: physical memory, the table walker, the TLB and the CPU. They are generic: an architecture passes a
 * {@link TranslationRegime} with geometry and decoding as data, and with rights and syndromes as functions of words.
 *
 * @module @kpkeys/core/machine
 */
export { readArchOptions, refuseArchOption } from "./arch-options.js";
export type { ArchOptions, PhysicalAddressWidth } from "./arch-options.js";
export { BareMachine } from "./bare-machine.js";
export type { BareFault } from "./bare-machine.js";
export { carryOut } from "./carry-out.js";
export { createCpu } from "./cpu.js";
export type { CpuParts } from "./cpu.js";
export { MaskingKpkeysArch } from "./masking-kpkeys-arch.js";
export type { MaskingOptions } from "./masking-kpkeys-arch.js";
export { GENERIC_PKEY_NUMBERS } from "./pkey-numbers.js";
export { FrameKeyStore } from "./frame-key-store.js";
export { createPhysicalMemory } from "./physical-memory.js";
export type { PhysicalMemoryOptions } from "./physical-memory.js";
export { reserve } from "./reserve.js";
export { NEEDS_DIRTY } from "./regime.js";
export type { HighTypeDecoding, LevelDecoding, OutputAddressForm, TranslationRegime, Walk } from "./regime.js";
export { TableBuilder } from "./table-builder.js";
export type { EntryPlace } from "./table-builder.js";
export { tableIndex } from "./table-index.js";
export type { TlbGeometry } from "./tlb-geometry.js";
export { ObserverList } from "../observers.js";
export * from "../words.js";
