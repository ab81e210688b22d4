import type { BpfJit } from "./jit.js";

/**
 * Bytes of the programs that systemd loads while a laptop with Linux 6.15 boots, in the order of `bpftool prog` (LKML, May 2025): one for
 * restrict_filesystems, 10 device filters and 16 packet filters of control groups. The lengths are those of x86 code, and serve for all
 * architectures. No recording has a load of a program: without these, nothing would be protected while a recording is replayed.
 */
const SYSTEMD: readonly number[] = [
  305, 318, 63, 63, 297, 63, 63, 267, 63, 63, 267, 267, 110, 489, 63, 63, 63, 63, 267, 63, 63, 297, 297, 63, 63, 63, 63,
];

/**
 * Loads the programs that exist after boot. A machine without memory for them has fewer, as systemd then runs without its filters.
 * @param jit - the JIT
 */
export function loadBootPrograms(jit: BpfJit): void {
  for (const length of SYSTEMD) jit.load(program(length));
}

/** Bytes in place of instructions, which the model does not decode. @param length - bytes @returns the bytes, each one its index */
export function program(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index);
}
