import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import { BasePermissions, isReadOnlyOrClean, OVERLAY, pkeyOf, WXN } from "./base-permissions.js";
import { overlayOf, Right } from "./registers.js";
import type { Controls } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { R, X, W } = Right;
const { USER: EL0, UACCESS } = Privilege;
const { FETCH } = Access;
const { NONE, PERMISSION, PKEY } = FaultKind;
const DIRTY_FIRST: typeof NEEDS_DIRTY = NEEDS_DIRTY;
const HAS_OVERLAY: number = OVERLAY;
const EXCLUSIVE: number = WXN;

/** The rules of rights of one CPU: base permissions, overlays and the dirty state (Arm ARM, "Memory access control"). */
export class Permissions {
  private readonly base: BasePermissions;

  /** @param controls - the fields of the CPU's registers, read at each check */
  constructor(private readonly controls: Readonly<Controls>) {
    this.base = new BasePermissions(controls);
  }

  /**
   * Whether the rights of a leaf allow an access (Arm ARM, AArch64.S1ComputePermissions).
   * @param attributes - packed attributes of the leaf
   * @param access - the access
   * @param privilege - its privilege
   * @param porLow - bits 31 to 0 of POR_EL1
   * @returns NONE, PERMISSION or PKEY; NEEDS_DIRTY if the hardware has to mark the page dirty first
   */
  check(attributes: number, access: Access, privilege: Privilege, porLow: number): FaultKind | -1 {
    const needs = needsOf(access);
    const unprivileged = isUnprivileged(access, privilege);
    const { controls } = this;
    let rights = this.base.of(attributes, needs, unprivileged);
    if ((rights & HAS_OVERLAY) !== 0 && (unprivileged ? controls.e0poe : controls.poe)) {
      let overlay = overlayOf(unprivileged ? controls.porEl0Low : porLow, pkeyOf(attributes));
      if ((rights & EXCLUSIVE) !== 0 && (overlay & X) !== 0) overlay &= ~W;
      if ((overlay & needs) !== needs) return PKEY;
    } else if ((rights & EXCLUSIVE) !== 0) {
      rights &= ~X;
    }
    if ((rights & needs) !== needs) return PERMISSION;
    if ((needs & W) === 0 || !isReadOnlyOrClean(attributes)) return NONE;
    return controls.hd ? DIRTY_FIRST : PERMISSION;
  }

  /**
   * Whether a write is denied only because the page is not marked dirty.
   * @param attributes - packed attributes of a leaf whose overlay allows the access
   * @param access - the access
   * @param privilege - its privilege
   */
  lacksDirtyState(attributes: number, access: Access, privilege: Privilege): boolean {
    const needs = needsOf(access);
    if (!this.controls.pie || !isReadOnlyOrClean(attributes) || (needs & W) === 0) return false;
    return (this.base.of(attributes, needs, isUnprivileged(access, privilege)) & needs) === needs;
  }
}

/** The {@link Right} bits that an access needs. */
function needsOf(access: Access): number {
  return access === FETCH ? X : (access & R) | ((access << 1) & W);
}

/** LDTR and STTR are unprivileged. There is no such fetch. */
function isUnprivileged(access: Access, privilege: Privilege): boolean {
  return privilege === EL0 || (privilege === UACCESS && access !== FETCH);
}
