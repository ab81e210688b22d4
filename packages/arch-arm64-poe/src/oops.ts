import type { OopsForm } from "@kpkeys/core/contracts";

// The messages of arch/arm64/mm/fault.c and arch/arm64/kernel/{traps,process}.c from 4.19 on. Before 4.20 entries were printed as
// `*pgd=`, before 5.19 the syndrome had 8 digits.

/** Patterns of Linux's fault messages on arm64. */
export const ARM64_OOPS: OopsForm = {
  heads: [/Unable to handle kernel .* at virtual address/, /Unhandled fault(?:: .*)? at 0x/],
  signals: [/unhandled exception: (?:DABT|IABT) /, /unhandled .* \(\d+\) at 0x[\da-f]+, esr 0x/],
  // Exception classes of aborts, 0x20, 0x21, 0x24 and 0x25. A BUG() has another class.
  deaths: [/Internal error: .*: (?:[\da-f]{8})?[89][0-7][\da-f]{6} \[#\d+\]/],
  patterns: [
    /at virtual address (?<far>[\da-f]{8,16})\b/,
    /Unhandled fault(?:: .*)? at (?<far>0x[\da-f]{8,16})\b/,
    /unhandled .* at (?<far>0x[\da-f]{8,16}), esr (?<esr>0x[\da-f]{8,16})\b/,
    /\[(?<far>[\da-f]{8,16})\] \*?pgd=/,
    /\bFAR(?:_EL1)?\s*[:=]\s*(?<far>(?:0x)?[\da-f]{8,16})\b/,
    /\bESR = (?<esr>0x[\da-f]{8,16})\b/,
    /Unhandled fault: .* \((?<esr>0x[\da-f]{8,16})\) at/,
    /\bESR (?<esr>0x[\da-f]{8,16}),/,
    /\bESR(?:_EL1)?\s*[:=]\s*(?<esr>(?:0x)?[\da-f]{8,16})\b/,
    /Internal error: .*: (?<esr>[\da-f]{8,16}) \[#\d+\]/,
    /\b(?<page_size>\d+k) pages, (?<va_bits>\d+)-bit VAs/,
    /pages, .*, pgdp=(?<ttbr>[\da-f]{16})\b/,
    /\bpgd=(?<pgd>[\da-f]{16})\b/,
    /\bp4d=(?<p4d>[\da-f]{16})\b/,
    /\bpud=(?<pud>[\da-f]{16})\b/,
    /\bpmd=(?<pmd>[\da-f]{16})\b/,
    /\bpte=(?<pte>[\da-f]{16})\b/,
    /\bpstate\s*: (?<pstate>[\da-f]{8,16})\b/,
    /\bTCR(?:_EL1)?\s*[:=]\s*(?<tcr>(?:0x)?[\da-f]{8,16})\b/i,
    /\bTCR2(?:_EL1)?\s*[:=]\s*(?<tcr2>(?:0x)?[\da-f]{1,16})\b/i,
    /\bSCTLR(?:_EL1)?\s*[:=]\s*(?<sctlr>(?:0x)?[\da-f]{8,16})\b/i,
    /\bPOR_EL1\s*[:=]\s*(?<por>(?:0x)?[\da-f]{1,16})\b/i,
    /\bPOR_EL0\s*[:=]\s*(?<por_el0>(?:0x)?[\da-f]{1,16})\b/i,
    /\bPIR_EL1\s*[:=]\s*(?<pir>(?:0x)?[\da-f]{8,16})\b/i,
    /\bPIRE0_EL1\s*[:=]\s*(?<pire0>(?:0x)?[\da-f]{8,16})\b/i,
  ],
  foreign: [
    ["32-bit Arm", /Internal error: Oops: [\da-f]{1,3} \[#\d+\]|\bpgd = [\da-f]{8}\b/],
    ["RISC-V", /\bepc : |\bbadaddr: |\bscause: /],
    ["MIPS", /\bepc {3}: |\bCause : [\da-f]{8}\b/],
    ["LoongArch", /\bERA: |\bera [\da-f]{16}\b|\bESTAT: /],
  ],
};
