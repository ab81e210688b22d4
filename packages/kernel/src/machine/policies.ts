import { KpkeysError } from "@kpkeys/core";

/**
 * What the kernel under the features does, where versions of the series differ: plain JSON. Everything left out is as the newest
 * form of the series has it.
 */
export interface KernelPolicies {
  /**
   * What becomes of the key register when an exception is taken from kernel mode. Default `inherit`.
   *
   * - `inherit` — the handler runs with the interrupted value (v1 to v3, v7 and later)
   * - `reset` — the value is saved in pt_regs and the register gets its initial value back; exception return restores it (v4 to
   *   v6, patch "arm64: Reset POR_EL1 on exception entry"; on x86 the auxiliary pt_regs of the PKS series)
   * - `reset-lazy-paused` — the same, with lazy MMU mode paused until the exception returns, so that code which is rescheduled on
   *   the way out opens by itself (what v7's cover letter weighs against inheriting)
   */
  readonly exceptionEntry?: "inherit" | "reset" | "reset-lazy-paused";
  /**
   * Whether a context switch saves the live register and loads the next task's, and fork copies it (since v4, patch "arm64:
   * Context-switch POR_EL1"). Default true.
   */
  readonly switchPkeyRegister?: boolean;
  /**
   * Whether a CPU that comes back from suspend gives its register the initial value (since v6, patch "arm64: Initialize POR_EL1
   * register on cpu_resume()"); if not it keeps what the hardware resets it to. Default true.
   */
  readonly resumeInitialisesRegister?: boolean;
  /** Of what leaves the linear map consists: pages alone (v7 and later) or blocks where they fit (v6). Default `pte`. */
  readonly linearMap?: "pte" | "block";
  /**
   * Whether the IRQ stack of each CPU is mapped by vmalloc early in boot (`init_irq_stacks()` with CONFIG_VMAP_STACK), or lies in
   * the linear map, where nothing is to be done for it. Default `linear`. v6's suite looks for the tables of such a mapping.
   */
  readonly irqStacks?: "linear" | "vmap";
}

/** The values that each policy can have, the default first. */
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
 * @throws KpkeysError ERR_SPEC for a policy that does not exist or a value that it cannot have
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
