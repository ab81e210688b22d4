import type { Pkey, StaticKey } from "@kpkeys/core/contracts";
import type { Tagging } from "./tagging.js";

/** What the parts of the hardening share on one machine. */
export interface Hardening {
  /** Number of the key PGTABLES. */
  readonly pkey: Pkey;
  /** `kpkeys_hardened_pgtables_key`: whether the hardening is on. */
  readonly key: StaticKey;
  /** Gives pages keys. */
  readonly tagging: Tagging;
  /**
   * `WARN_ON`: notes a table page that stays unprotected.
   * @param condition - whether to warn
   * @param text - what happened
   */
  readonly warnOn: (condition: boolean, text: string) => void;
}
