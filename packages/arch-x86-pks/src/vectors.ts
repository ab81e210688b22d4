import { Access, Privilege } from "@kpkeys/core/contracts";
import type { Cpu, FieldForms, Vector, VectorForm, VectorRules, VectorValue } from "@kpkeys/core/contracts";
import { lowWord, wordsToHex } from "@kpkeys/core/machine";
import { Bit, KEY_SHIFT } from "./entry-bits.js";
import { AD, CR0_WP, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, EFER_NXE, keyField, RFLAGS_AC } from "./registers.js";

/** EFAULT: the error of a system call whose access to a user buffer faults. */
const EFAULT = 14;
/** Vector of #PF, which Linux reports in `trapno`. */
const PAGE_FAULT = 14;
/** The `si_code` of a SIGSEGV that rights caused: SEGV_ACCERR, or SEGV_PKUERR when a key did. */
const SEGV_ACCERR = 2;
const SEGV_PKUERR = 4;

const ACCESSES = ["read", "write", "rmw", "fetch"];

/** The state of every CPU. */
const GIVEN: FieldForms = {
  pkru: "bits32",
  cr0wp: "flag",
  cr4pke: "flag",
  cr4smap: "flag",
  ac: "flag",
  efer_nxe: "flag",
  mode: ["user", "supervisor"],
};

/** The additional state of a CPU with PKS. */
const PKS: FieldForms = { pkrs: "bits32", cr4pks: "flag", cr4smep: "flag" };

/** A bare machine: the processor without an operating system. */
const ARCHITECTURAL: VectorForm = {
  arch: "x86-pks",
  accesses: ACCESSES,
  given: { ...GIVEN, ...PKS },
  judged: { upper_after: "entries", pte_after: "bits64", ad_after: { fields: { a: "flag", d: "flag" } } },
  fault: { error_code: "bits32", cr2: "bits64" },
};

/** User space of Linux on a CPU with PKU: a fault is reported by its signal. */
const LINUX_USER: VectorForm = {
  arch: "x86-pku",
  when: ["mode", "user"],
  accesses: ACCESSES,
  given: { ...GIVEN, prot: ["none", "r", "w", "x", "rw", "rx", "wx", "rwx"] },
  optional: PKS,
  judged: {},
  fault: { error_code: "bits32", cr2: "bits64", trapno: "whole", si_code: "whole" },
  someFaults: { si_pkey: "whole" },
};

/** The kernel's own access to user memory: a fault is an error of the system call. */
const LINUX_KERNEL: VectorForm = {
  ...LINUX_USER,
  when: ["mode", "supervisor"],
  fault: { errno: "whole" },
  someFaults: {},
};

function report(
  { arch, mode }: Vector,
  cpu: Cpu,
  ok: boolean,
  leaf: string | undefined,
): Readonly<Record<string, VectorValue>> {
  if (arch === ARCHITECTURAL.arch) {
    const low = lowWord(leaf!);
    return { ...registers(cpu, ok), ad_after: { a: (low & Bit.A) === 0 ? 0 : 1, d: (low & Bit.D) === 0 ? 0 : 1 } };
  }
  if (mode !== "user") return { errno: ok ? null : EFAULT };
  const pkey = ok ? null : signalledPkey(cpu);
  return {
    ...registers(cpu, ok),
    trapno: ok ? null : PAGE_FAULT,
    si_code: ok ? null : pkey === null ? SEGV_ACCERR : SEGV_PKUERR,
    si_pkey: pkey,
  };
}

/** The registers after a fault; `null` without a fault. */
function registers({ fault }: Cpu, ok: boolean): Readonly<Record<string, VectorValue>> {
  return {
    error_code: ok ? null : wordsToHex(0, fault.syndromeLow),
    cr2: ok ? null : wordsToHex(fault.addressHigh, fault.addressLow),
  };
}

/**
 * The key that Linux reports (`bad_area_access_from_pkeys`). Linux checks PKRU for the key of the mapping even if the page is not present,
 * as pages of PROT_NONE. The entry keeps that key.
 */
function signalledPkey({ fault, systemRegisters }: Cpu): number | null {
  const enabled = (systemRegisters.read("CR4") & BigInt(CR4_PKE)) !== 0n;
  if (!enabled || fault.access === Access.FETCH) return null;
  const pkey = (fault.entryHigh >>> KEY_SHIFT) & 0xf;
  const field = keyField(Number(systemRegisters.read("PKRU")), pkey);
  const denied = (fault.access & Access.WRITE) !== 0 ? field !== 0 : (field & AD) !== 0;
  return denied ? pkey : null;
}

/** The setup and the report of x86 vectors: of a bare machine with PKS, and of Linux on a CPU with PKU. */
export const X86_VECTORS: VectorRules = {
  forms: [ARCHITECTURAL, LINUX_USER, LINUX_KERNEL],
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
  keys: { kernel: "pkrs", user: "pkru" },
  privilegeOf: ({ mode }) => (mode === "user" ? Privilege.USER : Privilege.KERNEL),
  report,
};
