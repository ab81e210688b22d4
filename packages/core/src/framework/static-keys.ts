import type { StaticKey, StaticKeys } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * Makes a machine's static keys. A key is a plain field of an object that never changes its shape, so that reading one that is
 * off costs a hot path nothing measurable.
 *
 * @returns no keys yet
 */
export function createStaticKeys(): StaticKeys {
  const all: StaticKey[] = [];
  let frozen = false;

  function refuseWhenFrozen(name: string, what: string): void {
    if (!frozen) return;
    throw new KpkeysError("ERR_FROZEN", `static key '${name}' is ${what} after init`, {
      expected: "that before the machine is frozen: static keys are read-only after init",
    });
  }

  return {
    all,
    define(name) {
      refuseWhenFrozen(name, "defined");
      const key = {
        name,
        enabled: false,
        enable(): void {
          refuseWhenFrozen(name, "enabled");
          key.enabled = true;
        },
      };
      all.push(key);
      return key;
    },
    freeze() {
      frozen = true;
    },
  };
}
