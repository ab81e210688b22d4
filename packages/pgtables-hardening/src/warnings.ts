import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** The `WARN_ON`s of one machine's hardening, one line each: table pages that stay unprotected. */
export type PgtablesWarnings = readonly string[];

/** Token of {@link PgtablesWarnings}. */
export const PgtablesWarnings: Token<PgtablesWarnings> = token("PgtablesWarnings");
