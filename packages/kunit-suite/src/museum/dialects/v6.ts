import type { ContextName, DependencyContainer, LiteralContext } from "@kpkeys/core/contracts";
import { createKpkeysV7 } from "./v7.js";
import type { KpkeysV7 } from "./v7.js";
import type { DialectOptions } from "./registers.js";

/**
 * The API of v1 to v6: levels and raw register values. A level is what v7 calls a context. A higher level does not include the
 * rights of a lower one.
 */
export interface KpkeysV6 extends Omit<KpkeysV7, "setContext"> {
  /**
   * `kpkeys_set_level()`.
   * @param level - one literal level
   * @returns the previous value of the register, converted to `int`: `arch_kpkeys_set_level()` of arm64 returned one, so bit 31
   *   is copied to the bits above it
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  readonly setLevel: <const L extends ContextName>(level: LiteralContext<L>) => bigint;
}

/**
 * Makes the API of v1 to v6 for a machine.
 * @param container - the machine's container, with its CPUs
 * @param options - options
 */
export function createKpkeysV6(container: DependencyContainer, options: DialectOptions = {}): KpkeysV6 {
  const v7 = createKpkeysV7(container, options);
  return {
    setLevel: (level) => BigInt.asUintN(64, BigInt.asIntN(32, v7.setContext(level))),
    restorePkeyReg: v7.restorePkeyReg,
    setPkeyRegNosync: v7.setPkeyRegNosync,
  };
}
