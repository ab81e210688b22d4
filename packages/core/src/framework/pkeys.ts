import type { KpkeysArch, PkeyName, PkeyRegister } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** The symbolic keys of a machine and their numbers. */
export interface Pkeys {
  /** Names by number, key 0 being DEFAULT. */
  readonly names: ReadonlyMap<number, PkeyName>;
  /**
   * Gives a key a number: the architecture's own for this name, or the lowest that nobody has and no name of the architecture's claims,
   * or, when there is no other, one of those. A key too many gets a number beyond the last: who compiles the contexts refuses it, for
   * then all that is wanted is known.
   * @param name - a name not registered yet
   * @throws KpkeysError ERR_PKEY_DUPLICATE
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
    const free = Array.from({ length: register.keys }, (_, number) => number).filter((number) => !names.has(number));
    return free.find((number) => !claimed.has(number)) ?? free[0] ?? Math.max(register.keys, names.size);
  }

  /** A key without a claim on the number of this one has it only when there was no other: then there is none for this one either. */
  function numberFor(name: PkeyName): number {
    const { pkeyNumbers } = arch();
    const own = pkeyNumbers[name];
    if (own === undefined) return lowestFree();
    const other = names.get(own);
    if (other === undefined) return own;
    if (pkeyNumbers[other] === undefined) return lowestFree();
    throw new KpkeysError(
      "ERR_PKEY_DUPLICATE",
      `the architecture gives the key ${name} the number ${own} of ${other}`,
      {
        expected: "a number of its own",
      },
    );
  }

  return {
    names,
    register(name) {
      if (numbers.has(name)) {
        throw new KpkeysError("ERR_PKEY_DUPLICATE", `the key ${name} is registered already`, {
          expected: "another name",
        });
      }
      const number = numberFor(name);
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
