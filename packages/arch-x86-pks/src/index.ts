/**
 * The x86-64 architecture of the laboratory: protection keys for supervisor pages (PKS) and long-mode paging. A machine takes
 * {@link x86Pks}; the other exports are its parts, for tests and tools that need no machine.
 *
 * @packageDocumentation
 */
export { createPageTableFormat } from "./format.js";
export { X86_GEOMETRIES } from "./geometry.js";
export { createPgtable, X86_PGTABLE } from "./pgtable.js";
export { x86Pks } from "./plugin.js";
export { createSystemRegisters, IA32_PKRS } from "./registers.js";
export type { RegisterState, X86SystemRegisters } from "./registers.js";
export { X86_TOOLS } from "./tools.js";
