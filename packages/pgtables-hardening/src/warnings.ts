import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** What the hardening of one machine would print by `WARN_ON`, one line for each warning: table pages that stay unprotected. */
export type PgtablesWarnings = readonly string[];

/** Token of {@link PgtablesWarnings}. */
export const PgtablesWarnings: Token<PgtablesWarnings> = token("PgtablesWarnings");
