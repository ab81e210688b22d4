import type { Pfn, Pkey } from "./numbers.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** An object that a feature protects. Page-table pages are not declared: the scanner finds them. */
export interface ProtectedObject {
  /** Page-frame number of its page. */
  readonly pfn: Pfn;
  /** Byte offset in the page, a multiple of 8. */
  readonly offset: number;
  /** Bytes, a multiple of 8. */
  readonly size: number;
  /** The required key of its page. */
  readonly pkey: Pkey;
  /** The accesses that DEFAULT must not make: `write` if left out, `read-write` for a secret. */
  readonly withholds?: "write" | "read-write";
  /** Its kind, for the report: `cred`. */
  readonly source: string;
}

/** The page-table pages or objects that a feature protects. */
export interface ProtectionClaim {
  /** The feature's id. */
  readonly feature: string;
  /** The required key of all page-table pages, if the feature protects page tables. */
  readonly tablePkey?: Pkey;
  /** The objects that it protects at the moment of the call, if it protects objects. */
  readonly objects?: () => Iterable<ProtectedObject>;
}

/** The declarations of the features, for the scanner, the probe stores and the report, which are independent of features. */
export interface ProtectedObjects {
  /**
   * Declares protected memory.
   * @param claim - the protected memory
   * @throws KpkeysError ERR_FROZEN
   */
  declare(claim: ProtectionClaim): void;
  /** All declarations. */
  readonly claims: readonly ProtectionClaim[];
  /** Rejects further declarations. */
  freeze(): void;
}

/** Token of {@link ProtectedObjects}. */
export const ProtectedObjects: Token<ProtectedObjects> = token("ProtectedObjects");
