import type { Pfn, Pkey } from "./numbers.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** Something that a feature says it protects, other than page-table pages, which the scanner finds by itself. */
export interface ProtectedObject {
  /** Page-frame number of the page that it lies in. */
  readonly pfn: Pfn;
  /** Byte offset in the page, a multiple of 8. */
  readonly offset: number;
  /** Bytes, a multiple of 8. */
  readonly size: number;
  /** The key that its page must have. */
  readonly pkey: Pkey;
  /** Where it came from, for the report: `cred`. */
  readonly source: string;
}

/** A feature's claim about page-table pages or objects. */
export interface ProtectionClaim {
  /** The feature's id. */
  readonly feature: string;
  /** The key that every page-table page must have, if the feature protects page tables. */
  readonly tablePkey?: Pkey;
  /** The objects that it protects now, if it protects objects. */
  readonly objects?: () => Iterable<ProtectedObject>;
}

/** What the machine's features say they protect: read by the scanner, the attacks and the report, which know no feature. */
export interface ProtectedObjects {
  /**
   * Makes a claim.
   * @param claim - what is protected
   * @throws KpkeysError ERR_FROZEN
   */
  declare(claim: ProtectionClaim): void;
  /** All claims. */
  readonly claims: readonly ProtectionClaim[];
  /** Refuses further claims. */
  freeze(): void;
}

/** Token of {@link ProtectedObjects}. */
export const ProtectedObjects: Token<ProtectedObjects> = token("ProtectedObjects");
