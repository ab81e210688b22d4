import { Access, Privilege } from "@kpkeys/core/contracts";
import type { Cpu, VectorValue } from "@kpkeys/core/contracts";
import { BITS_32, BITS_64, ENTRIES, FLAG, lowWord, objectOf, oneOf, WHOLE, wordsToHex } from "@kpkeys/core/machine";
import type { FieldForms, Vector, VectorForm, VectorRules } from "@kpkeys/core/machine";
import { Bit, KEY_SHIFT } from "./format.js";
import { LEVELS } from "./regime.js";
import { AD, CR0_WP, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, EFER_NXE, keyField, RFLAGS_AC } from "./registers.js";

/** EFAULT: what a system call returns when the kernel's access to a user's buffer faults. */
const EFAULT = 14;
/** Vector of #PF, which Linux reports in `trapno`. */
const PAGE_FAULT = 14;
/** The `si_code` of a SIGSEGV that rights caused: SEGV_ACCERR, or SEGV_PKUERR when a key did. */
const SEGV_ACCERR = 2;
const SEGV_PKUERR = 4;

const ACCESSES = ["read", "write", "rmw", "fetch"];

/** What every CPU has. */
const GIVEN: FieldForms = {
  pkru: BITS_32,
  cr0wp: FLAG,
  cr4pke: FLAG,
  cr4smap: FLAG,
  ac: FLAG,
  efer_nxe: FLAG,
  mode: oneOf("user", "supervisor"),
};

/** What a CPU with PKS has beside. */
const PKS: FieldForms = { pkrs: BITS_32, cr4pks: FLAG, cr4smep: FLAG };

/** A bare machine: what the processor itself does. */
const ARCHITECTURAL: VectorForm = {
  arch: "x86-pks",
  accesses: ACCESSES,
  given: { ...GIVEN, ...PKS },
  judged: { upper_after: ENTRIES, pte_after: BITS_64, ad_after: objectOf({ a: FLAG, d: FLAG }) },
  fault: { error_code: BITS_32, cr2: BITS_64 },
};

/** User space of Linux on a CPU with PKU: a fault is what the signal tells of it. */
const LINUX_USER: VectorForm = {
  arch: "x86-pku",
  when: ["mode", "user"],
  accesses: ACCESSES,
  given: { ...GIVEN, prot: oneOf("none", "r", "w", "x", "rw", "rx", "wx", "rwx") },
  optional: PKS,
  judged: {},
  fault: { error_code: BITS_32, cr2: BITS_64, trapno: WHOLE, si_code: WHOLE },
  someFaults: { si_pkey: WHOLE },
};

/** The kernel's own access to user memory: a fault is an error of the system call. */
const LINUX_KERNEL: VectorForm = {
  ...LINUX_USER,
  when: ["mode", "supervisor"],
  fault: { errno: WHOLE },
  someFaults: {},
};

function report(fields: Record<string, VectorValue>, vector: Vector, cpu: Cpu, ok: boolean): void {
  if (vector["arch"] === ARCHITECTURAL.arch) {
    reportRegisters(fields, cpu, ok);
    const leaf = lowWord(fields["pte_after"] as string);
    fields["ad_after"] = { a: (leaf & Bit.A) === 0 ? 0 : 1, d: (leaf & Bit.D) === 0 ? 0 : 1 };
  } else if (vector["mode"] === "user") {
    const pkey = ok ? null : signalledPkey(cpu);
    reportRegisters(fields, cpu, ok);
    fields["trapno"] = ok ? null : PAGE_FAULT;
    fields["si_code"] = ok ? null : pkey === null ? SEGV_ACCERR : SEGV_PKUERR;
    fields["si_pkey"] = pkey;
  } else {
    fields["errno"] = ok ? null : EFAULT;
  }
}

/** What the fault left in the registers; `null` without a fault. */
function reportRegisters(fields: Record<string, VectorValue>, { fault }: Cpu, ok: boolean): void {
  fields["error_code"] = ok ? null : wordsToHex(0, fault.syndromeLow);
  fields["cr2"] = ok ? null : wordsToHex(fault.addressHigh, fault.addressLow);
}

/**
 * The key that Linux blames (`bad_area_access_from_pkeys`): it asks PKRU about the key of the mapping even if the page was not
 * present, as those of PROT_NONE are not; the entry keeps that key.
 */
function signalledPkey({ fault, systemRegisters }: Cpu): number | null {
  const enabled = (systemRegisters.read("CR4") & BigInt(CR4_PKE)) !== 0n;
  if (!enabled || fault.access === Access.FETCH) return null;
  const pkey = (fault.entryHigh >>> KEY_SHIFT) & 0xf;
  const field = keyField(Number(systemRegisters.read("PKRU")), pkey);
  const denied = (fault.access & Access.WRITE) !== 0 ? field !== 0 : (field & AD) !== 0;
  return denied ? pkey : null;
}

/** How x86 carries out its vectors: those of a bare machine with PKS, and those of Linux on a CPU with PKU. */
export const X86_VECTORS: VectorRules = {
  forms: [ARCHITECTURAL, LINUX_USER, LINUX_KERNEL],
  levels: LEVELS,
  flags: {
    CR0: [["cr0wp", BigInt(CR0_WP)]],
    CR4: [
      ["cr4smep", BigInt(CR4_SMEP)],
      ["cr4smap", BigInt(CR4_SMAP)],
      ["cr4pke", BigInt(CR4_PKE)],
      ["cr4pks", BigInt(CR4_PKS)],
    ],
    EFER: [["efer_nxe", BigInt(EFER_NXE)]],
    RFLAGS: [["ac", BigInt(RFLAGS_AC)]],
  },
  registers: {},
  keys: { kernel: "pkrs", user: "pkru", userRegister: "PKRU", open: { high: 0, low: 0 } },
  privilegeOf: ({ mode }) => (mode === "user" ? Privilege.USER : Privilege.KERNEL),
  report,
};
