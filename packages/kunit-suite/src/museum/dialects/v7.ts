import type { ContextName, DependencyContainer, LiteralContext } from "@kpkeys/core/contracts";
import { KPKEYS_PKEY_REG_INVAL, RawRegister } from "./registers.js";
import type { DialectOptions } from "./registers.js";

/** The API of v7 and v8: contexts and raw register values. No part of the model uses it, because the values are raw. */
export interface KpkeysV7 {
  /**
   * `kpkeys_set_context()`.
   * @param context - one literal context
   * @returns the previous value of the register, or {@link KPKEYS_PKEY_REG_INVAL} if nothing was written
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  readonly setContext: <const C extends ContextName>(context: LiteralContext<C>) => bigint;
  /**
   * `kpkeys_restore_pkey_reg()`: writes any value except {@link KPKEYS_PKEY_REG_INVAL}. A callable copy of it would be a gadget
   * that opens all keys, so the series always inlines it.
   * @param value - the result of {@link setContext}
   */
  readonly restorePkeyReg: (value: bigint) => void;
  /**
   * `__kpkeys_set_pkey_reg_nosync()` (since v4): writes any value, without a barrier. The end of a lazy MMU section uses it.
   * @param value - the result of {@link setContext}
   */
  readonly setPkeyRegNosync: (value: bigint) => void;
}

/**
 * Makes the API of v7 and v8 for a machine.
 * @param container - the machine's container, with its CPUs
 * @param options - options
 */
export function createKpkeysV7(container: DependencyContainer, options: DialectOptions = {}): KpkeysV7 {
  const register = new RawRegister(container, options);
  return {
    setContext: (context) => register.enter(context),
    restorePkeyReg(value) {
      if (value !== KPKEYS_PKEY_REG_INVAL) register.write(value, true);
    },
    setPkeyRegNosync(value) {
      register.write(value, false);
    },
  };
}
