import type { Plugin } from "@kpkeys/core/contracts";
import { CONTEXT_RULES } from "./arch/context.js";
import { FAULT_RULES } from "./arch/fault.js";
import { FORMAT_RULES } from "./arch/format.js";
import { FRAME_KEY_RULES } from "./arch/frame-keys.js";
import { KERNEL_RULES } from "./arch/kernel.js";
import { REGISTER_RULES } from "./arch/register.js";
import { RIGHTS_RULES } from "./arch/rights.js";
import { FORM_RULE, SURFACE_RULES } from "./arch/surface.js";
import { TLB_RULES } from "./arch/tlb.js";
import { WALK_RULES } from "./arch/walk.js";
import { BEHAVIOUR_RULES } from "./feature/behaviour.js";
import { PROTECTION_RULES } from "./feature/protection.js";
import type { ConformanceRule } from "./rule.js";

/** The rules of an architecture, from its key register to the kernel. */
const ARCH_RULES: readonly ConformanceRule[] = [
  FORM_RULE,
  ...REGISTER_RULES,
  ...FORMAT_RULES,
  ...WALK_RULES,
  ...RIGHTS_RULES,
  ...FAULT_RULES,
  ...TLB_RULES,
  ...FRAME_KEY_RULES,
  ...CONTEXT_RULES,
  ...SURFACE_RULES,
  ...KERNEL_RULES,
];

/** The rules of a feature. */
const FEATURE_RULES: readonly ConformanceRule[] = [FORM_RULE, ...BEHAVIOUR_RULES, ...PROTECTION_RULES];

/**
 * The rules of a kind of plugin, in the order in which they are checked.
 *
 * @param kind - the kind
 */
export function rulesFor(kind: Plugin["kind"]): readonly ConformanceRule[] {
  return kind === "arch" ? ARCH_RULES : FEATURE_RULES;
}
