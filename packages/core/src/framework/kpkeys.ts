import type {
  CompiledContext,
  ContextName,
  Guard,
  Kpkeys,
  KpkeysArch,
  KpkeysState,
  PkeyRegister,
  Words,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { createContextSwitch } from "./context-switch.js";
import { createContexts, union } from "./contexts.js";
import { once } from "./once.js";
import { createPkeys } from "./pkeys.js";

/** What a guard gives whose condition does not hold; leaving takes it and does nothing. */
const NOTHING_ENTERED = 0 as KpkeysState;

/**
 * Makes the kpkeys API of one machine.
 *
 * @param findArch - gives the architecture's part; asked once, when first needed
 * @param register - the layout of the key register
 * @param onContext - told of each context entered, and with `undefined` of each left, if anybody listens
 * @returns the API, in which keys and contexts can be registered until it is frozen
 */
export function createKpkeys(
  findArch: () => KpkeysArch,
  register: PkeyRegister,
  onContext?: (context: ContextName | undefined) => void,
): Kpkeys {
  const arch = once(findArch);
  const pkeys = createPkeys(arch, register);
  const contexts = createContexts(pkeys, register);
  const { enter, leave, leaveBeforeBarrier } = createContextSwitch(arch, onContext);
  /** Contexts of guards made before the contexts are compiled. */
  const awaited: (() => CompiledContext)[] = [];
  let frozen = false;

  function refuseWhenFrozen(what: string): void {
    if (!frozen) return;
    throw new KpkeysError("ERR_FROZEN", `${what} after kpkeys was frozen`, { expected: "that in the plugin's setup" });
  }

  /** Entering looks nothing up but the first time. */
  function makeGuard(name: ContextName, condition: () => boolean): Guard {
    const context = once(() => contexts.compiled(name));
    if (frozen) context();
    else awaited.push(context);
    return {
      enter: () => (condition() ? enter(context()) : NOTHING_ENTERED),
      exit: leave,
    };
  }

  function supported(): boolean {
    return arch().supportsKpkeys();
  }

  return {
    supported,
    registerPkey(name) {
      refuseWhenFrozen(`the key ${name} is registered`);
      return pkeys.register(name);
    },
    defineContext(name, rights, others) {
      refuseWhenFrozen(`the context ${name} is defined`);
      contexts.define(name, rights, others);
    },
    pkey: (name) => pkeys.numberOf(name),
    pkeyNames: pkeys.names,
    contextNames: contexts.names,
    freeze() {
      if (frozen) return;
      if (pkeys.names.size > register.keys) throw tooMany(pkeys.names.size, register);
      contexts.compile();
      for (const context of awaited) context();
      frozen = true;
    },
    compiled: (name) => contexts.compiled(name),
    rights: (context, key) => contexts.rights(context, key),
    initialValue() {
      let value: Words = contexts.compiled("DEFAULT").set;
      for (let key = 0; key < register.keys; key++) {
        if (!pkeys.names.has(key)) value = union(value, register.field(key, register.unused));
      }
      return value;
    },
    enterContext(name) {
      const context = contexts.compiled(name);
      return supported() ? enter(context) : NOTHING_ENTERED;
    },
    leaveContext: leave,
    leaveContextBeforeBarrier: leaveBeforeBarrier,
    guardNoop: () => ({ enter: () => NOTHING_ENTERED, exit: () => undefined }),
    guardCond: (context, condition) => makeGuard(context, condition),
    guard: (context) => makeGuard(context, supported),
  };
}

function tooMany(wanted: number, { name, keys }: PkeyRegister): KpkeysError {
  return new KpkeysError("ERR_PKEY_EXHAUSTED", `${wanted} keys are registered, and ${name} has ${keys}`, {
    expected: "no more than that, key 0 included",
  });
}
