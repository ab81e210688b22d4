import type { ContextName, DependencyContainer, LiteralContext } from "@kpkeys/core/contracts";
import { createRawRegister, KPKEYS_PKEY_REG_INVAL } from "./registers.js";
import type { DialectOptions } from "./registers.js";

/**
 * The API as v7 and v8 have it: contexts, and register values. What it hands around are raw values, so nothing in a machine uses it.
 */
export interface KpkeysV7 {
  /**
   * `kpkeys_set_context()`.
   * @param context - one literal context
   * @returns the register's value before; {@link KPKEYS_PKEY_REG_INVAL} when nothing was written
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  readonly setContext: <const C extends ContextName>(context: LiteralContext<C>) => bigint;
  /**
   * `kpkeys_restore_pkey_reg()`: writes a value, unless it stands for "nothing was written". It takes any other value: as a function that can be called it would be a gadget that opens all keys, which is why the series has it always inlined.
   * @param value - meant to be what {@link setContext} gave
   */
  readonly restorePkeyReg: (value: bigint) => void;
  /**
   * `__kpkeys_set_pkey_reg_nosync()` (since v4): writes a value without a barrier, whatever it stands for. What leaves a lazy MMU
   * section uses it.
   * @param value - meant to be what {@link setContext} gave
   */
  readonly setPkeyRegNosync: (value: bigint) => void;
}

/**
 * Makes the façade over a machine's kpkeys.
 * @param container - the machine's container, with its CPUs
 * @param options - choices
 */
export function createKpkeysV7(container: DependencyContainer, options: DialectOptions = {}): KpkeysV7 {
  const register = createRawRegister(container, options);
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
