import { token } from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";

/** What the hardening of one machine would have printed by `WARN_ON`, a line each: a live credential that stays unprotected. */
export type CredWarnings = readonly string[];

/** Token of {@link CredWarnings}. */
export const CredWarnings: Token<CredWarnings> = token("CredWarnings");
