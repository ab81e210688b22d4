/**
 * The x86-64 architecture of kpkeys: protection keys for supervisor pages (PKS) and long-mode paging. A machine uses the
 * plugin {@link x86Pks}. The other exports are its parts, for tests and tools without a machine.
 *
 * @packageDocumentation
 */
export { createPageTableFormat } from "./format.js";
export { X86_GEOMETRIES } from "./geometry.js";
export { createPgtable } from "./pgtable.js";
export { x86Pks } from "./plugin.js";
export { createSystemRegisters, IA32_PKRS } from "./registers.js";
export type { RegisterState, X86SystemRegisters } from "./registers.js";
