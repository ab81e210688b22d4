import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { FaultReport, NamedField } from "@kpkeys/core/contracts";
import { addressText, hex, hexDigits } from "@kpkeys/core/machine";
import { Bit } from "./entry-bits.js";
import { CR4_SMEP, EFER_NXE } from "./registers.js";
import type { RegisterState } from "./registers.js";

// The #PF error code (SDM, volume 3, "Page-Fault Exceptions"; RMP: AMD APM, volume 2, "Page-Fault Error Code").
//
//   31   15   7     6   5    4    3     2    1    0
//   RMP  SGX  HLAT  SS  PK   I    RSVD  U    W    P

/** Bits of the #PF error code. */
export const ErrorCode = {
  /** The page was present: rights denied the access, or a bit was reserved. */
  P: 0x1,
  /** It was a write. */
  W: 0x2,
  /** It was made in user mode. */
  U: 0x4,
  /** An entry has a reserved bit set. */
  RSVD: 0x8,
  /** It was an instruction fetch. */
  I: 0x10,
  /** The key denied it. */
  PK: 0x20,
  /** It was a shadow-stack access. */
  SS: 0x40,
  /** The walk used the tables of HLAT paging. */
  HLAT: 0x80,
  /** SGX denied it: the EPCM has other rights. */
  SGX: 0x8000,
  /** SEV-SNP denied it: the reverse map table has another owner or size. */
  RMP: 0x80000000,
} as const;

/** P and the bits of the cause, by kind of fault. */
const CAUSES: Readonly<Partial<Record<FaultKind, number>>> = {
  [FaultKind.PERMISSION]: ErrorCode.P,
  [FaultKind.PKEY]: ErrorCode.P | ErrorCode.PK,
  [FaultKind.RESERVED]: ErrorCode.P | ErrorCode.RSVD,
  [FaultKind.ADDRESS_SIZE]: ErrorCode.P | ErrorCode.RSVD,
};

/**
 * The #PF error code, or 0, the error code of the #GP that a non-canonical address raises. A page or table outside of RAM, which on
 * hardware is an access to a bus, is reported as an address with a reserved bit.
 *
 * @param state - the CPU's registers: I is reported only if SMEP or NXE is on
 * @param kind - the check that failed
 * @param entryLow - bits 31 to 0 of the last entry of the walk
 * @param access - the access attempted
 * @param privilege - its privilege
 * @returns the error code
 */
export function errorCodeOf(
  { CR4, EFER }: Readonly<RegisterState>,
  kind: FaultKind,
  entryLow: number,
  access: Access,
  privilege: Privilege,
): number {
  if (kind === FaultKind.ADDRESS_SIZE && (entryLow & Bit.P) === 0) return 0;
  const reportsFetch = (CR4 & CR4_SMEP) !== 0 || (EFER & EFER_NXE) !== 0;
  return (
    (CAUSES[kind] ?? 0) |
    ((access & Access.WRITE) !== 0 ? ErrorCode.W : 0) |
    (privilege === Privilege.USER ? ErrorCode.U : 0) |
    (access === Access.FETCH && reportsFetch ? ErrorCode.I : 0)
  );
}

/** Whether a fault is a #GP: the address was never walked. */
function isGeneralProtection({ kind, syndromeLow }: FaultReport): boolean {
  return kind === FaultKind.ADDRESS_SIZE && syndromeLow === 0;
}

/** The address accessed, as 16 hex digits. */
function addressOf({ addressHigh, addressLow }: FaultReport): string {
  return addressText(addressHigh, addressLow);
}

/**
 * A fault in the words of an oops (arch/x86/mm/fault.c and traps.c), its lines joined by commas.
 *
 * @param fault - a report
 * @returns one line
 */
export function describeFault(fault: FaultReport): string {
  if (isGeneralProtection(fault)) {
    return `general protection fault, probably for non-canonical address 0x${addressOf(fault)}: 0000`;
  }
  const code = fault.syndromeLow;
  const user = (code & ErrorCode.U) !== 0;
  const access =
    (code & ErrorCode.I) !== 0 ? "instruction fetch" : (code & ErrorCode.W) !== 0 ? "write access" : "read access";
  return [
    !user && fault.addressHigh === 0 && fault.addressLow >>> 12 === 0
      ? `BUG: kernel NULL pointer dereference, address: ${addressOf(fault)}`
      : `BUG: unable to handle page fault for address: ${addressOf(fault)}`,
    `#PF: ${user ? "user" : "supervisor"} ${access} in ${user ? "user" : "kernel"} mode`,
    `#PF: error_code(${hex(code, 4)}) - ${causeOf(code)}`,
  ].join(", ");
}

/**
 * A user fault in the words of the signal that the process receives (`show_signal_msg`, `bad_area_nosemaphore`,
 * `bad_area_access_error`). A kernel address is never mapped for the user. An address whose page is not present may have a mapping that
 * lacks the right; its signal has SEGV_ACCERR.
 *
 * @param fault - a report
 * @param pkey - the key of the page, if it is known
 * @returns one line
 */
export function describeSignal(fault: FaultReport, pkey: number | undefined): string {
  if (isGeneralProtection(fault)) return "SIGSEGV, SI_KERNEL: general protection fault error:0";
  const { syndromeLow: code, addressHigh } = fault;
  const isUnmapped = addressHigh < 0 || (code & ErrorCode.P) === 0;
  const key = pkey === undefined ? "" : `, si_pkey ${pkey}`;
  const denied = (code & ErrorCode.PK) === 0 ? "SEGV_ACCERR" : `SEGV_PKUERR${key}`;
  const address = addressOf(fault).replace(/^0+(?=.)/, "");
  return `SIGSEGV, ${isUnmapped ? "SEGV_MAPERR" : denied}: segfault at ${address} error ${hexDigits(code)}`;
}

/**
 * The cause of a #PF in the kernel's words.
 *
 * @param code - the error code
 * @returns a noun phrase
 */
export function causeOf(code: number): string {
  if ((code & ErrorCode.P) === 0) return "not-present page";
  if ((code & ErrorCode.RSVD) !== 0) return "reserved bit violation";
  if ((code & ErrorCode.PK) !== 0) return "protection keys violation";
  return (code & ErrorCode.RMP) !== 0 ? "RMP violation" : "permissions violation";
}

/**
 * The registers of a fault: the error code with the names of its bits, CR2 (which a #GP does not write), and IA32_PKRS.
 *
 * @param fault - a report
 * @returns the registers
 */
export function faultRegisters(fault: FaultReport): readonly NamedField[] {
  const code = fault.syndromeLow;
  const names = Object.entries(ErrorCode).flatMap(([name, bit]) => ((code & bit) !== 0 ? [name] : []));
  const bits = names.length === 0 ? "" : ` (${names.join("|")})`;
  return [
    { name: "error code", text: `${hex(code, 4)}${bits}` },
    ...(isGeneralProtection(fault) ? [] : [{ name: "CR2", text: `0x${addressOf(fault)}` }]),
    { name: "IA32_PKRS", text: hex(fault.pkeyRegisterLow, 8) },
  ];
}
