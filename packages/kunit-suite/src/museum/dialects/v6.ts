import type { ContextName, DependencyContainer, LiteralContext } from "@kpkeys/core/contracts";
import { createKpkeysV7 } from "./v7.js";
import type { KpkeysV7 } from "./v7.js";
import type { DialectOptions } from "./registers.js";

/**
 * The API as v1 to v6 have it: levels, and register values. A level is what v7 calls a context, and sounds as if a higher one
 * included those below it, which it does not.
 */
export interface KpkeysV6 extends Omit<KpkeysV7, "setContext"> {
  /**
   * `kpkeys_set_level()`.
   * @param level - one literal level
   * @returns the register's value before, by way of an `int`: `arch_kpkeys_set_level()` of arm64 returned one, so bit 31 fills the
   *   bits above it
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  readonly setLevel: <const L extends ContextName>(level: LiteralContext<L>) => bigint;
}

/**
 * Makes the façade over a machine's kpkeys.
 * @param container - the machine's container, with its CPUs
 * @param options - choices
 */
export function createKpkeysV6(container: DependencyContainer, options: DialectOptions = {}): KpkeysV6 {
  const v7 = createKpkeysV7(container, options);
  return {
    setLevel: (level) => BigInt.asUintN(64, BigInt.asIntN(32, v7.setContext(level))),
    restorePkeyReg: v7.restorePkeyReg,
    setPkeyRegNosync: v7.setPkeyRegNosync,
  };
}
