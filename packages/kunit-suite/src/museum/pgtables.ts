import { ExtensionPoints, Kpkeys, PkeyRegister, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Guard, Pkey, Words } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";

declare module "@kpkeys/core/contracts" {
  interface KpkeysContexts {
    /** Page tables are writable: KPKEYS_CTX_PGTABLES. */
    PGTABLES: true;
  }
}

/** Id of the feature whose bugs the museum shows. */
export const FEATURE = "pgtables";

/**
 * The key that the feature claims for page tables.
 * @param machine - a machine with the feature
 */
export function tablePkey(machine: Machine): Pkey {
  return machine.get(ProtectedObjects).claims.find((claim) => claim.tablePkey !== undefined)!.tablePkey!;
}

/**
 * The guard of the feature in the setters.
 * @param machine - a machine with the feature
 */
export function setterGuard(machine: Machine): Guard {
  return machine.get(ExtensionPoints).guard("set_pte")!;
}

/**
 * The initial value of the key register with page tables writable: the value that an attacker would choose.
 * @param machine - a machine with the feature
 */
export function openValue(machine: Machine): Words {
  const register = machine.get(PkeyRegister);
  const initial = machine.get(Kpkeys).initialValue();
  const mask = register.fieldMask(tablePkey(machine));
  const field = register.field(tablePkey(machine), "rw");
  return { high: (initial.high & ~mask.high) | field.high, low: (initial.low & ~mask.low) | field.low };
}
