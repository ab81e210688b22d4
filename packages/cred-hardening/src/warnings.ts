import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** The `WARN_ON`s of one machine's hardening, one line each: live credentials that stay unprotected. */
export type CredWarnings = readonly string[];

/** Token of {@link CredWarnings}. */
export const CredWarnings: Token<CredWarnings> = token("CredWarnings");
