import { Access, Privilege } from "@kpkeys/core/contracts";

// The access rights of the SDM, sentence by sentence, written from the text of volume 3, "Access Rights" and "Page-Fault Exceptions",
// and not from the code under test.

/** An access and the state that decides it, in the manual's terms. */
export interface Situation {
  readonly access: Access;
  readonly privilege: Privilege;
  /** The U/S flag is 1 in every entry that controls the translation: a user-mode address. */
  readonly userModeAddress: boolean;
  /** The R/W flag is 1 in every entry that controls the translation. */
  readonly writableEverywhere: boolean;
  /** The XD flag is 1 in some entry that controls the translation. */
  readonly executeDisabled: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly ac: boolean;
  readonly pke: boolean;
  readonly pks: boolean;
  /** The leaf's key's bits in PKRU and in IA32_PKRS. */
  readonly pkru: { readonly ad: boolean; readonly wd: boolean };
  readonly pkrs: { readonly ad: boolean; readonly wd: boolean };
}

interface KeyRights {
  readonly read: boolean;
  readonly write: boolean;
}

/**
 * "Protection Keys": "ADi = 1: no data accesses". PKRU, user-mode addresses: "WDi = 1: no writes" in user mode, and in supervisor mode if
 * CR0.WP = 1. IA32_PKRS, supervisor-mode addresses: "WDi = 1: no writes" if CR0.WP = 1.
 */
function keyRights(at: Situation, supervisorMode: boolean): KeyRights {
  const enabled = at.userModeAddress ? at.pke : at.pks;
  const { ad, wd } = at.userModeAddress ? at.pkru : at.pkrs;
  if (!enabled) return { read: true, write: true };
  if (ad) return { read: false, write: false };
  const ignored = !at.wp && (supervisorMode || !at.userModeAddress);
  return { read: true, write: !wd || ignored };
}

/** "Determination of Access Rights", supervisor-mode accesses. */
function supervisorModeAllows(at: Situation, key: KeyRights): boolean {
  const explicitWithAc = at.ac || at.privilege === Privilege.UACCESS;
  const userDataAllowed = !at.userModeAddress || !at.smap || explicitWithAc;
  if (at.access === Access.FETCH) return at.userModeAddress ? !at.smep && !at.executeDisabled : !at.executeDisabled;
  const readable = userDataAllowed && key.read;
  if (at.access === Access.READ) return readable;
  const writable = userDataAllowed && key.write && (!at.wp || at.writableEverywhere);
  return at.access === Access.WRITE ? writable : readable && writable;
}

/** "Determination of Access Rights", user-mode accesses: none at supervisor-mode addresses. */
function userModeAllows(at: Situation, key: KeyRights): boolean {
  if (!at.userModeAddress) return false;
  if (at.access === Access.FETCH) return !at.executeDisabled;
  if (at.access === Access.READ) return key.read;
  return key.read && key.write && at.writableEverywhere;
}

/** The #PF error code of a translation that exists, or `undefined` if the access is allowed ("Page-Fault Exceptions"; IA32_EFER.NXE is 1). */
export function errorCode(at: Situation): number | undefined {
  const supervisorMode = at.privilege !== Privilege.USER;
  const key = keyRights(at, supervisorMode);
  if (supervisorMode ? supervisorModeAllows(at, key) : userModeAllows(at, key)) return undefined;
  const writes = at.access === Access.WRITE || at.access === Access.RMW;
  const keyDenies = at.access !== Access.FETCH && (!key.read || (writes && !key.write));
  return (
    0b000001 |
    (writes ? 0b000010 : 0) |
    (supervisorMode ? 0 : 0b000100) |
    (at.access === Access.FETCH ? 0b010000 : 0) |
    (keyDenies ? 0b100000 : 0)
  );
}
