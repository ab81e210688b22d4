import { KpkeysError } from "@kpkeys/core";

/**
 * Policies of the kernel that differ between versions of the series, as plain JSON. The defaults are those of the newest version.
 */
export interface KernelPolicies {
  /**
   * The key register on exception entry from kernel mode. Default `inherit`.
   *
   * - `inherit`: the handler runs with the interrupted value (v1 to v3, v7 and later)
   * - `reset`: entry saves the value in pt_regs and writes the initial value; exception return restores it (v4 to v6, patch "arm64:
   *   Reset POR_EL1 on exception entry"; on x86 the auxiliary pt_regs of the PKS series)
   * - `reset-lazy-paused`: `reset`, with lazy MMU mode paused until the exception returns, so that a task scheduled on the way out
   *   enters the context for each write (the alternative to `inherit` in v7's cover letter)
   */
  readonly exceptionEntry?: "inherit" | "reset" | "reset-lazy-paused";
  /**
   * Whether a context switch saves and restores the key register, and fork copies it (since v4, patch "arm64: Context-switch
   * POR_EL1"). Default true.
   */
  readonly switchPkeyRegister?: boolean;
  /**
   * Whether resume writes the initial value to the key register (since v6, patch "arm64: Initialize POR_EL1 register on
   * cpu_resume()"). If false, the register keeps its hardware reset value. Default true.
   */
  readonly resumeInitialisesRegister?: boolean;
  /** Leaves of the linear map: pages only (`pte`, v7 and later) or the largest leaves that fit (`block`, v6). Default `pte`. */
  readonly linearMap?: "pte" | "block";
  /**
   * Mapping of the IRQ stacks: by vmalloc early in boot (`vmap`: `init_irq_stacks()` with CONFIG_VMAP_STACK) or in the linear map,
   * which needs no work at boot. v6's suite checks the tables of the vmalloc mapping. Default `linear`.
   */
  readonly irqStacks?: "linear" | "vmap";
}

/** The values of each policy, the default first. */
const VALUES: { readonly [P in keyof KernelPolicies]-?: readonly Required<KernelPolicies>[P][] } = {
  exceptionEntry: ["inherit", "reset", "reset-lazy-paused"],
  switchPkeyRegister: [true, false],
  resumeInitialisesRegister: [true, false],
  linearMap: ["pte", "block"],
  irqStacks: ["linear", "vmap"],
};

/**
 * Reads the policies of a machine's specification.
 * @param policies - plain JSON
 * @returns all policies, with their defaults
 * @throws KpkeysError ERR_SPEC for an unknown policy or value
 */
export function readPolicies(policies: KernelPolicies = {}): Required<KernelPolicies> {
  for (const [name, value] of Object.entries(policies)) {
    const known: readonly unknown[] | undefined = Object.hasOwn(VALUES, name)
      ? VALUES[name as keyof KernelPolicies]
      : undefined;
    if (known?.includes(value)) continue;
    throw new KpkeysError(
      "ERR_SPEC",
      `${name} is ${typeof value === "bigint" ? String(value) : JSON.stringify(value)}`,
      {
        where: "kernel",
        expected:
          known === undefined
            ? `${Object.keys(VALUES).join(", ")} and nothing else`
            : known.map((one) => JSON.stringify(one)).join(" or "),
      },
    );
  }
  return {
    exceptionEntry: "inherit",
    switchPkeyRegister: true,
    resumeInitialisesRegister: true,
    linearMap: "pte",
    irqStacks: "linear",
    ...policies,
  };
}
