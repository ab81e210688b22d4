import type { KpkeysArch, PkeyName, PkeyRegister } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** The symbolic keys of a machine and their numbers. */
export interface Pkeys {
  /** Names by number, key 0 being DEFAULT. */
  readonly names: ReadonlyMap<number, PkeyName>;
  /**
   * Gives a key a number: the architecture's own for this name, or the lowest that nobody has and no name of the
   * architecture's claims.
   * @param name - a name not registered yet
   * @throws KpkeysError ERR_PKEY_DUPLICATE, ERR_PKEY_EXHAUSTED
   */
  register(name: PkeyName): number;
  /**
   * The number of a registered key.
   * @param name - its name
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  numberOf(name: PkeyName): number;
}

/**
 * Makes the keys of one machine: DEFAULT alone, which is key 0 on every architecture.
 *
 * @param arch - gives the numbers that the architecture assigns itself
 * @param register - knows how many keys there are
 * @returns the keys
 */
export function createPkeys(arch: () => KpkeysArch, register: PkeyRegister): Pkeys {
  const names = new Map<number, PkeyName>([[0, "DEFAULT"]]);
  const numbers = new Map<PkeyName, number>([["DEFAULT", 0]]);

  function lowestFree(): number {
    const claimed = new Set(Object.values(arch().pkeyNumbers));
    let number = 0;
    while (names.has(number) || claimed.has(number)) number++;
    return number;
  }

  return {
    names,
    register(name) {
      if (numbers.has(name)) {
        throw new KpkeysError("ERR_PKEY_DUPLICATE", `the key ${name} is registered already`, {
          expected: "another name",
        });
      }
      const number = arch().pkeyNumbers[name] ?? lowestFree();
      if (number >= register.keys) {
        throw new KpkeysError("ERR_PKEY_EXHAUSTED", `no number is left for the key ${name}`, {
          expected: `numbers below ${register.keys}, of which ${[...names.values()].join(", ")} hold ${names.size}: leave a feature out`,
        });
      }
      const other = names.get(number);
      if (other !== undefined) {
        throw new KpkeysError(
          "ERR_PKEY_DUPLICATE",
          `the architecture gives the key ${name} the number ${number} of ${other}`,
          {
            expected: "a number of its own",
          },
        );
      }
      names.set(number, name);
      numbers.set(name, number);
      return number;
    },
    numberOf(name) {
      const number = numbers.get(name);
      if (number !== undefined) return number;
      throw new KpkeysError("ERR_PKEY_UNKNOWN", `no plugin has registered the key ${name}`, {
        expected: `one of ${[...numbers.keys()].join(", ")}`,
      });
    },
  };
}
