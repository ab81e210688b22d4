import { token } from "@kpkeys/core/contracts";
import type { Token, Words } from "@kpkeys/core/contracts";
import type { KernelPolicies } from "./policies.js";
import type { MachineSpec } from "./spec.js";

// Injection tokens of values that the kernel's services are built with. Services themselves are injected by their contract's token or
// by their class.

/** The specification of the machine. */
export const Spec: Token<MachineSpec> = token("kernel:MachineSpec");

/** The policies of the specification, with their defaults. */
export const Policies: Token<Required<KernelPolicies>> = token("kernel:KernelPolicies");

/** The initial value of the key register. */
export const InitialPkeyRegister: Token<Words> = token("kernel:InitialPkeyRegister");
