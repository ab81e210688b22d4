import type { OopsForm } from "@kpkeys/core/contracts";

// The messages of arch/x86/mm/fault.c (show_fault_oops, dump_pagetable, show_signal_msg) and
// arch/x86/kernel/{dumpstack,process_64,traps}.c from 4.19 on: `unable to handle kernel paging request at` before 5.1, `#PF:` since, the word `Oops` twice since 6.9.

/** Patterns of Linux's fault messages on x86. */
export const X86_OOPS: OopsForm = {
  heads: [
    /BUG: unable to handle (?:kernel |page fault)/,
    /BUG: kernel NULL pointer dereference, address: /,
    /: Corrupted page table at address [\da-f]+\b/,
    /general protection fault, probably for non-canonical address .*: [\da-f]{4} \[#\d+\]/,
  ],
  signals: [/\]: segfault at [\da-f]+ ip /],
  deaths: [/\b(?:Oops|Bad pagetable): (?:Oops: |Bad pagetable: )?[\da-f]{4} \[#\d+\]/],
  patterns: [
    /for address: (?<cr2>[\da-f]{8,16})\b/,
    /dereference, address: (?<cr2>[\da-f]{8,16})\b/,
    /(?:paging request|dereference) at\s+(?<cr2>[\da-f]{8,16})\b/,
    /Corrupted page table at address (?<cr2>[\da-f]{1,16})\b/,
    /segfault at (?<cr2>[\da-f]{1,16}) ip .* error (?<error_code>[\da-f]{1,8})\b/,
    /non-canonical address (?<cr2>0x[\da-f]{1,16}): (?<error_code>[\da-f]{4}) /,
    /\bCR2: (?<cr2>[\da-f]{8,16})\b/,
    /#PF: error_code\((?<error_code>0x[\da-f]{1,8})\)/,
    /\b(?:Oops|Bad pagetable): (?:Oops: |Bad pagetable: )?(?<error_code>[\da-f]{4}) \[#\d+\]/,
    /\bPGD (?<pgd>[\da-f]{1,16})\b/,
    /\bP4D (?<p4d>[\da-f]{1,16})\b/,
    /\bPUD (?<pud>[\da-f]{1,16})\b/,
    /\bPMD (?<pmd>[\da-f]{1,16})\b/,
    /\bPTE (?<pte>[\da-f]{1,16})\b/,
    /\bCR0: (?<cr0>[\da-f]{8,16})\b/,
    /\bCR3: (?<cr3>[\da-f]{8,16})\b/,
    /\bCR4: (?<cr4>[\da-f]{8,16})\b/,
    /\bEFLAGS: (?<rflags>[\da-f]{8})\b/,
    /\bPKRU: (?<pkru>[\da-f]{1,8})\b/,
    /\b(?:IA32_)?PKRS: (?:0x)?(?<pkrs>[\da-f]{1,8})\b/,
    /\bEFER: (?:0x)?(?<efer>[\da-f]{1,16})\b/,
  ],
  foreign: [["32-bit x86", /\bEIP: |\*pdpt = |\*pde = /]],
};
