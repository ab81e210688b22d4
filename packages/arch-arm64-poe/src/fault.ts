import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { FaultReport, NamedField, Words } from "@kpkeys/core/contracts";
import { addressText, hex, registerText } from "@kpkeys/core/machine";
import { faultInfo } from "./fault-status.js";
import type { Permissions } from "./permissions.js";

// ESR_EL1 of an abort (Arm ARM, ESR_EL1, ISS encodings).
//
//   63 .. 56  55 ..  38       37        .. 32  31   26  25  24 ...  7      6    5   0
//   0         ISS2   Overlay  DirtyBit         EC       IL  ...     S1PTW  WnR  xFSC

/** Overlay, bit 38, in the high word: a permission overlay denies the access. */
export const ESR_OVERLAY: number = 1 << 6;
/** DirtyBit, bit 37, in the high word: the access is denied for the dirty state alone. */
export const ESR_DIRTY_BIT: number = 1 << 5;
/** WnR, bit 6: a write. */
export const ESR_WNR: number = 1 << 6;
const ESR_IL = 1 << 25;
const EC_SHIFT = 26;
const FSC = 0x3f;

/** Exception classes with the kernel's names for them. */
const CLASSES: Readonly<Record<number, string>> = {
  0x20: "IABT (lower EL)",
  0x21: "IABT (current EL)",
  0x24: "DABT (lower EL)",
  0x25: "DABT (current EL)",
};

/** Fault status codes of level 0, by kind; the level is added. */
const STATUS: Readonly<Record<FaultKind, number>> = {
  [FaultKind.NONE]: 0,
  [FaultKind.ADDRESS_SIZE]: 0,
  [FaultKind.TRANSLATION]: 4,
  [FaultKind.ACCESS_FLAG]: 8,
  [FaultKind.PERMISSION]: 0xc,
  [FaultKind.PKEY]: 0xc,
  [FaultKind.RESERVED]: 4,
};

/** Fault status codes of level -1, whose entries are always tables. */
const STATUS_MINUS_ONE: Readonly<Partial<Record<FaultKind, number>>> = {
  [FaultKind.ADDRESS_SIZE]: 0x29,
  [FaultKind.TRANSLATION]: 0x2b,
};

/** The fault status code of a kind at one of the architecture's levels, -1 to 3. */
function statusAt(kind: FaultKind, level: number): number {
  return level < 0 ? STATUS_MINUS_ONE[kind]! : STATUS[kind] + level;
}

/** The syndrome of one CPU: ESR_EL1 of a data or instruction abort. */
export class AbortSyndrome {
  /**
   * @param permissions - the CPU's rules of rights
   * @param firstLevel - the architecture's number of the level at which walks begin
   */
  constructor(
    private readonly permissions: Permissions,
    private readonly firstLevel: number,
  ) {}

  /**
   * @param kind - the check that failed
   * @param level - the level at which it failed, 0 being the top
   * @param packed - packed attributes if a leaf was found, else 0
   * @param access - the access attempted
   * @param privilege - its privilege
   * @param porLow - bits 31 to 0 of POR_EL1
   * @returns ESR_EL1
   */
  of(kind: FaultKind, level: number, packed: number, access: Access, privilege: Privilege, porLow: number): Words {
    const exceptionClass = (access === Access.FETCH ? 0x20 : 0x24) | (privilege === Privilege.USER ? 0 : 1);
    const dirtyBit = kind === FaultKind.PERMISSION && this.permissions.lacksDirtyState(packed, access, privilege);
    const wnr = this.isWrite(kind, packed, access, privilege, porLow) ? ESR_WNR : 0;
    return {
      high: (kind === FaultKind.PKEY ? ESR_OVERLAY : 0) | (dirtyBit ? ESR_DIRTY_BIT : 0),
      low: (exceptionClass << EC_SHIFT) | ESR_IL | wnr | statusAt(kind, this.firstLevel + level),
    };
  }

  /** A read-modify-write is reported as a read if a read would fault for the same reason. */
  private isWrite(kind: FaultKind, packed: number, access: Access, privilege: Privilege, porLow: number): boolean {
    if (access !== Access.RMW) return access === Access.WRITE;
    if (kind !== FaultKind.PERMISSION && kind !== FaultKind.PKEY) return false;
    return this.permissions.check(packed, Access.READ, privilege, porLow) !== kind;
  }
}

/**
 * The exception class of a syndrome.
 *
 * @param low - bits 31 to 0 of ESR_EL1
 * @returns EC, 6 bits
 */
export function exceptionClassOf(low: number): number {
  return low >>> EC_SHIFT;
}

/**
 * The fault status code of a syndrome.
 *
 * @param low - bits 31 to 0 of ESR_EL1
 * @returns DFSC or IFSC, 6 bits
 */
export function statusOf(low: number): number {
  return low & FSC;
}

/** The noun of "Unable to handle kernel ..." (arch/arm64/mm/fault.c). */
function causeOf({ syndromeLow, addressHigh, addressLow, privilege }: FaultReport, pageShift: number): string {
  const isFetch = exceptionClassOf(syndromeLow) < 0x24;
  if ((statusOf(syndromeLow) & ~3) === STATUS[FaultKind.PERMISSION]) {
    if (addressHigh >= 0 && isFetch) return "execution of user memory";
    if (addressHigh >= 0 && privilege === Privilege.KERNEL) return "access to user memory outside uaccess routines";
    if (isFetch) return "execute from non-executable memory";
    return (syndromeLow & ESR_WNR) !== 0 ? "write to read-only memory" : "read from unreadable memory";
  }
  return addressHigh === 0 && addressLow >>> pageShift === 0 ? "NULL pointer dereference" : "paging request";
}

/**
 * A fault in the words of an oops, or, for one of the user's, of an unhandled signal (`__do_kernel_fault`, `do_mem_abort` and
 * `arm64_show_signal`).
 *
 * @param fault - a report
 * @param pageShift - log2 of the page size: an address in the first page is a NULL pointer with an offset
 * @returns one line
 */
export function describeFault(fault: FaultReport, pageShift = 12): string {
  const { syndromeHigh, syndromeLow, addressHigh, addressLow, privilege } = fault;
  const address = addressText(addressHigh, addressLow);
  const esr = registerText(syndromeHigh, syndromeLow);
  const { handler, name } = faultInfo(statusOf(syndromeLow));
  if (privilege === Privilege.USER) {
    const exceptionClass = CLASSES[exceptionClassOf(syndromeLow)] ?? "";
    return `unhandled exception: ${exceptionClass}, ESR ${esr}, ${name} at 0x${address}`;
  }
  if (handler === "do_sea") return `Internal error: ${name}: ${esr.slice(2)}`;
  const what = handler === "do_bad" ? name : causeOf(fault, pageShift);
  return `Unable to handle kernel ${what} at virtual address ${address}`;
}

/**
 * A user fault in the words of the signal that the process receives (`arm64_force_sig_fault`, `arm64_show_signal`): an overlay
 * is reported with the key (`fault_from_pkey`). A translation fault of an address with a mapping that lacks the right has SEGV_ACCERR
 * instead.
 *
 * @param fault - a report
 * @param pkey - the key of the page, if it is known
 * @returns one line
 */
export function describeSignal(fault: FaultReport, pkey: number | undefined): string {
  const { signal, code } = faultInfo(statusOf(fault.syndromeLow));
  const isKey = (fault.syndromeHigh & ESR_OVERLAY) !== 0;
  const key = pkey === undefined ? "" : `, si_pkey ${pkey}`;
  return `${signal}, ${isKey ? `SEGV_PKUERR${key}` : code}: ${describeFault(fault)}`;
}

/**
 * The registers of a fault, and the fields of the syndrome in the kernel's words.
 *
 * @param fault - a report
 * @returns the fields
 */
export function faultRegisters(fault: FaultReport): readonly NamedField[] {
  const { syndromeHigh, syndromeLow } = fault;
  const exceptionClass = exceptionClassOf(syndromeLow);
  const status = statusOf(syndromeLow);
  const bit = (set: number): string => (set === 0 ? "0" : "1");
  return [
    { name: "ESR_EL1", text: registerText(syndromeHigh, syndromeLow) },
    { name: "FAR_EL1", text: registerText(fault.addressHigh, fault.addressLow) },
    { name: "POR_EL1", text: registerText(fault.pkeyRegisterHigh, fault.pkeyRegisterLow) },
    { name: "EC", text: `${hex(exceptionClass)}: ${CLASSES[exceptionClass] ?? "no fault"}` },
    {
      name: exceptionClass < 0x24 ? "IFSC" : "DFSC",
      text: `${hex(status, 2)}: ${faultInfo(status).name}`,
    },
    { name: "WnR", text: bit(syndromeLow & ESR_WNR) },
    { name: "Overlay", text: bit(syndromeHigh & ESR_OVERLAY) },
    { name: "DirtyBit", text: bit(syndromeHigh & ESR_DIRTY_BIT) },
  ];
}
