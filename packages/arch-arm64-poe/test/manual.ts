import { Access, Privilege } from "@kpkeys/core/contracts";

// The access rights of stage 1 of EL1&0, step by step, written from the rules of "Memory access control" and the pseudocode of the Arm
// ARM, which each step names, and not from the code under test.

/** An access to a mapped page and the state that decides it, in the manual's terms. */
export interface Situation {
  readonly access: Access;
  readonly privilege: Privilege;
  /** The level of the leaf. */
  readonly level: number;
  /** TCR2_EL1.PIE. */
  readonly pie: boolean;
  /** TCR2_EL1.POE. */
  readonly poe: boolean;
  /** TCR2_EL1.E0POE. */
  readonly e0poe: boolean;
  /** PSTATE.PAN. */
  readonly pan: boolean;
  /** SCTLR_EL1.EPAN. */
  readonly epan: boolean;
  /** SCTLR_EL1.WXN. */
  readonly wxn: boolean;
  /** TCR_EL1.HPD0 or HPD1, by the address's half. */
  readonly hpd: boolean;
  /** TCR_EL1.HA. */
  readonly ha: boolean;
  /** TCR_EL1.HD. */
  readonly hd: boolean;
  /** AP[2:1] of the leaf; with PIE the upper bit is nDirty. */
  readonly ap: number;
  readonly dbm: boolean;
  readonly pxn: boolean;
  readonly uxn: boolean;
  /** APTable, PXNTable and UXNTable of the tables above, ORed. */
  readonly apTable: number;
  readonly pxnTable: boolean;
  readonly uxnTable: boolean;
  /** The fields of PIR_EL1 and PIRE0_EL1 at the leaf's PIIndex. */
  readonly pir: number;
  readonly pire0: number;
  /** The fields of POR_EL1 and POR_EL0 at the leaf's POIndex. */
  readonly porEl1: number;
  readonly porEl0: number;
}

interface Rights {
  readonly r: boolean;
  readonly w: boolean;
  readonly x: boolean;
  readonly gcs: boolean;
}

interface Base extends Rights {
  readonly wxn: boolean;
  readonly overlay: boolean;
}

const rights = (letters: string): Rights => ({
  r: letters.includes("r"),
  w: letters.includes("w"),
  x: letters.includes("x"),
  gcs: letters.includes("g"),
});
const NONE = rights("");

/** PIR_EL1 and PIRE0_EL1, Perm<m>. 4, b, d and f are "Reserved - treated as No access"; from 8 on "Overlay not applied". */
const INDIRECT = ["", "r", "x", "rx", "", "rw", "rwx", "rwx", "r", "rg", "rx", "", "rw", "", "rwx", ""].map(rights);
/** R_HJYGR: of all these only 6 (RWnX) has WXN behaviour. */
const RWNX = 6;
const FIRST_WITHOUT_OVERLAY = 8;

/** POR_EL1 and POR_EL0, Perm<m>. From 8 on "Reserved - treated as No access". */
const OVERLAYS = ["", "r", "x", "rx", "w", "rw", "wx", "rwx", "", "", "", "", "", "", "", ""].map(rights);

const writes = ({ access }: Situation): boolean => access === Access.WRITE || access === Access.RMW;
const reads = ({ access }: Situation): boolean => access === Access.READ || access === Access.RMW;
const fetches = ({ access }: Situation): boolean => access === Access.FETCH;

/** LDTR and STTR make "data accesses as if from EL0"; there is no such fetch. PAN does not apply to fetches. */
const asEl0 = (at: Situation): boolean =>
  at.privilege === Privilege.USER || (at.privilege === Privilege.UACCESS && !fetches(at));
const panApplies = (at: Situation): boolean => at.pan && !fetches(at);
/** TCR_EL1.HD has an effect only with HA. */
const dirtyStateByHardware = ({ ha, hd }: Situation): boolean => ha && hd;

/** AArch64.S1IndirectBasePermissions. SCTLR_EL1.WXN and EPAN, AP and the tables above have no effect (R_JHSVW). */
function indirectBase(at: Situation): Base {
  const field = asEl0(at) ? at.pire0 : at.pir;
  const [privileged, unprivileged] = [INDIRECT[at.pir]!, INDIRECT[at.pire0]!];
  // R_VFPJF, also for GCS: a page that EL1 executes and EL0 writes has no permissions.
  const removed = (privileged.x || privileged.gcs) && (unprivileged.w || unprivileged.gcs);
  const { r, w, x, gcs } = removed ? NONE : INDIRECT[field]!;
  const barred = !asEl0(at) && panApplies(at) && at.pire0 !== 0;
  return {
    r: r && !barred,
    w: w && !barred,
    x,
    gcs,
    wxn: field === RWNX,
    overlay: field < FIRST_WITHOUT_OVERLAY,
  };
}

/** AArch64.S1DirectBasePermissions. */
function directBase(at: Situation): Base {
  // With hardware dirty state "descriptors marked with DBM have the Effective value of AP[2] 0".
  const ap = dirtyStateByHardware(at) && at.dbm ? at.ap & 0b01 : at.ap;
  let [pr, pw] = [true, ap === 0b00 || ap === 0b01];
  let [ur, uw] = [ap === 0b01 || ap === 0b11, ap === 0b01];
  // R_BVXDG: with POE or E0POE the hierarchical permissions are disabled, as they are with HPD.
  const hierarchical = !at.hpd && !at.poe && !at.e0poe;
  if (hierarchical && (at.apTable & 0b01) !== 0) [ur, uw] = [false, false];
  if (hierarchical && (at.apTable & 0b10) !== 0) [pw, uw] = [false, false];
  // A page that EL0 can write is not executable by EL1.
  const px = !at.pxn && !(hierarchical && at.pxnTable) && !uw;
  const ux = !at.uxn && !(hierarchical && at.uxnTable);
  if (panApplies(at) && (ur || uw || (at.epan && ux))) [pr, pw] = [false, false];
  const [r, w, x] = asEl0(at) ? [ur, uw, ux] : [pr, pw, px];
  return { r, w, x, gcs: false, wxn: at.wxn && w && x, overlay: true };
}

/** The denial of an access, in the fields of a FaultRecord. */
interface Denial {
  readonly write: boolean;
  readonly overlay?: boolean;
  readonly dirtyBit?: boolean;
}

/** AArch64.S1ComputePermissions and AArch64.S1CheckPermissions, in their order: overlays first, then base, then dirty state. */
function denial(at: Situation): Denial | undefined {
  const base = at.pie ? indirectBase(at) : directBase(at);
  const overlaid = base.overlay && (asEl0(at) ? at.e0poe : at.poe);
  const overlay = OVERLAYS[asEl0(at) ? at.porEl0 : at.porEl1]!;
  // R_QXXPC for EL1, R_NPBXC for EL0: with an overlay an executable page is not writable; without, a writable page is not executable.
  const overlayWrites = overlay.w && !(base.wxn && overlay.x);
  const executes = base.x && !(base.wxn && !(overlaid && overlay.x));
  if (fetches(at)) {
    if (overlaid && !overlay.x) return { write: false, overlay: true };
    return executes ? undefined : { write: false };
  }
  if (reads(at) && overlaid && !overlay.r) return { write: false, overlay: true };
  if (writes(at) && overlaid && !overlayWrites) return { write: true, overlay: true };
  if (reads(at) && !base.r) return { write: false };
  if (writes(at) && !base.w) return { write: true };
  const nDirty = at.pie && (at.ap & 0b10) !== 0;
  return writes(at) && nDirty && !dirtyStateByHardware(at) ? { write: true, dirtyBit: true } : undefined;
}

/**
 * ESR_EL1 of the permission fault (ISS encoding of an abort), a number below 2^39, or `undefined` if the
 * access is allowed. FnV, SET, CM, S1PTW and the rest of ISS2 are 0.
 */
export function syndrome(at: Situation): number | undefined {
  const denied = denial(at);
  if (denied === undefined) return undefined;
  const abort = fetches(at) ? 0b100000 : 0b100100;
  const sameEl = at.privilege === Privilege.USER ? 0 : 1;
  const permissionFault = 0b001100 + at.level;
  return (
    (denied.overlay === true ? 2 ** 38 : 0) +
    (denied.dirtyBit === true ? 2 ** 37 : 0) +
    (abort + sameEl) * 2 ** 26 +
    2 ** 25 +
    (denied.write ? 2 ** 6 : 0) +
    permissionFault
  );
}

/** Whether an access that is allowed clears bit 7 of the leaf: nDirty with PIE, else AP[2] of a leaf with DBM. */
export function marksDirty(at: Situation): boolean {
  return writes(at) && dirtyStateByHardware(at) && (at.pie || at.dbm);
}
