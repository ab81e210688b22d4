import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * Rights that a context gives on a key, apart from an architecture's encoding. Not every register can express all of them:
 * execution is a right of POR_EL1 and no matter of IA32_PKRS.
 *
 * - `none`: no access
 * - `r`: read
 * - `rw`: read and write
 * - `rx`: read and execute
 * - `rwx`: read, write and execute
 */
export type Rights = "none" | "r" | "rw" | "rx" | "rwx";

/** Two halves of a 64-bit value. */
export interface Words {
  /** Bits 63 to 32, as an int32. */
  readonly high: number;
  /** Bits 31 to 0, as an int32. */
  readonly low: number;
}

/**
 * The layout of the per-CPU key register: pure functions of values. The register itself belongs to each {@link Cpu}.
 *
 * Sources: POR_EL1 in the Arm ARM (fields of 4 bits: R, X, W from bit 0 up); IA32_PKRS in the SDM, volume 3, "Protection Keys"
 * (fields of 2 bits: access-disable, write-disable).
 */
export interface PkeyRegister {
  /** The manual's name: `POR_EL1`, `IA32_PKRS`. */
  readonly name: string;
  /** Number of keys that a page-table entry can name; keys are 0 to `keys - 1`. */
  readonly keys: number;
  /** How a write becomes visible: `immediate`, or at the next context synchronisation event (`barrier`). */
  readonly synchronisation: "immediate" | "barrier";
  /** What a key that nobody uses has: no access. */
  readonly unused: Rights;
  /**
   * The bits of a key's field, for clearing it in a value.
   * @param key - 0 to `keys - 1`
   */
  fieldMask(key: number): Words;
  /**
   * A key's field with the rights given, all other bits zero.
   * @param key - 0 to `keys - 1`
   * @param rights - what the field must allow. Where the register cannot withhold execution, `r` and `rw` mean the same as
   *   `rx` and `rwx`
   */
  field(key: number, rights: Rights): Words;
  /**
   * What a value allows on a key, as the architecture checks it.
   * @param high - bits 63 to 32 of the register's value
   * @param low - bits 31 to 0
   * @param key - 0 to `keys - 1`
   */
  rightsOf(high: number, low: number, key: number): Rights | "w" | "x" | "wx";
}

/** Token of {@link PkeyRegister}. */
export const PkeyRegister: Token<PkeyRegister> = token("PkeyRegister");
