/**
 * A further use of kernel protection keys: images of BPF programs that only the functions of the JIT write, on every architecture with
 * kernel pkeys.
 *
 * @packageDocumentation
 */
export { bpfHardening } from "./plugin.js";
export { BpfJit } from "./jit.js";
export type { BpfImage } from "./jit.js";
export { hardenedBpf } from "./suite.js";
