import { token } from "@kpkeys/core/contracts";
import type { PkeyValue, Token } from "@kpkeys/core/contracts";
import type { KernelPolicies } from "./policies.js";

// Injection tokens of values. Services are injected by the token of their contract or by their class.

/** The policies of the specification, with their defaults. */
export const Policies: Token<Required<KernelPolicies>> = token("kernel:KernelPolicies");

/** The initial value of the key register, or of both registers. */
export const InitialPkeyRegister: Token<PkeyValue> = token("kernel:InitialPkeyRegister");
