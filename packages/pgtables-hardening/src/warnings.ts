import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** What the hardening of one machine would have printed by `WARN_ON`, a line each: a table page that stays unprotected. */
export type PgtablesWarnings = readonly string[];

/** Token of {@link PgtablesWarnings}. */
export const PgtablesWarnings: Token<PgtablesWarnings> = token("PgtablesWarnings");
