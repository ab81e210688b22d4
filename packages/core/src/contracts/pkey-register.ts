import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * Rights of a context on a key, independent of the architecture. Not every register can express all of them: POR_EL1 has a bit for
 * execution, IA32_PKRS has none.
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

/** A value of the key register, or of both registers on an architecture that has another one for fetches. */
export interface PkeyValue extends Words {
  /** The value of the register that decides fetches; left out if one register decides all accesses. */
  readonly fetch?: Words;
}

/**
 * The layout of the key register: pure functions of values. Each {@link Cpu} has the register itself.
 *
 * An architecture may have two registers, of which one decides data accesses and the other one fetches. Contexts, context switches and
 * exceptions change both. Rights that need both, like `rx`, have bits in both.
 *
 * Sources: POR_EL1 in the Arm ARM (fields of 4 bits: R, X, W from bit 0 up); IA32_PKRS in the SDM, volume 3, "Protection Keys"
 * (fields of 2 bits: access-disable, write-disable); AMR and IAMR of POWER: AMR_RD_BIT, AMR_WR_BIT and IAMR_EX_BIT in
 * arch/powerpc/mm/book3s64/pkeys.c.
 */
export interface PkeyRegister {
  /** The manual's name: `POR_EL1`, `IA32_PKRS`, `AMR`. */
  readonly name: string;
  /** Name of the register that decides fetches, if it is another one (`IAMR`); left out if one register decides all accesses. */
  readonly fetchName?: string;
  /** Number of keys that a page-table entry can name; keys are 0 to `keys - 1`. */
  readonly keys: number;
  /** When a write takes effect: at once (`immediate`), or at the next context synchronisation event (`barrier`). */
  readonly synchronisation: "immediate" | "barrier";
  /** Rights of a key that no feature uses: no access. */
  readonly unused: Rights;
  /**
   * The mask of a key's field; with {@link fetchName} also of its field in the register for fetches.
   * @param key - 0 to `keys - 1`
   */
  fieldMask(key: number): PkeyValue;
  /**
   * A key's field with the given rights, all other bits zero.
   * @param key - 0 to `keys - 1`
   * @param rights - the rights. If the register cannot deny execution, `r` and `rw` equal `rx` and `rwx`
   */
  field(key: number, rights: Rights): PkeyValue;
  /**
   * The rights of a register value on a key, as the architecture checks them.
   * @param high - bits 63 to 32 of the register's value
   * @param low - bits 31 to 0
   * @param key - 0 to `keys - 1`
   * @param fetch - value of the register for fetches. If there is one and its value is left out, only the rights of data are meaningful
   */
  rightsOf(high: number, low: number, key: number, fetch?: Words): Rights | "w" | "x" | "wx";
}

/** Token of {@link PkeyRegister}. */
export const PkeyRegister: Token<PkeyRegister> = token("PkeyRegister");
