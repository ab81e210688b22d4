import { toPkey } from "../contracts/numbers.js";
import type { Pkey } from "../contracts/numbers.js";
import type { KpkeysArch, PkeyName, PkeyRegister } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** The symbolic keys of a machine and their numbers. DEFAULT is key 0 on every architecture. */
export class Pkeys {
  /** Names by number. */
  readonly names: Map<number, PkeyName> = new Map([[0, "DEFAULT"]]);
  private readonly numbers = new Map<PkeyName, number>([["DEFAULT", 0]]);

  /**
   * @param arch - the numbers that the architecture assigns itself
   * @param register - the number of keys
   */
  constructor(
    private readonly arch: KpkeysArch,
    private readonly register: PkeyRegister,
  ) {}

  /**
   * Gives a key a number: the architecture's own for this name; otherwise the lowest free number that is not reserved for another
   * name, or the lowest free number if all are reserved. With too many keys it gets a number beyond the last, which compiling the
   * contexts rejects: all requests are known by then.
   * @param name - a name that is not registered yet
   * @returns the number
   * @throws KpkeysError ERR_PKEY_DUPLICATE
   */
  add(name: PkeyName): Pkey {
    if (this.numbers.has(name)) {
      throw new KpkeysError("ERR_PKEY_DUPLICATE", `the key ${name} is registered already`, {
        expected: "another name",
      });
    }
    const number = this.numberFor(name);
    this.names.set(number, name);
    this.numbers.set(name, number);
    return number;
  }

  /**
   * The number of a registered key.
   * @param name - its name
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  numberOf(name: PkeyName): Pkey {
    const number = this.numbers.get(name);
    if (number !== undefined) return toPkey(number);
    throw new KpkeysError("ERR_PKEY_UNKNOWN", `no plugin has registered the key ${name}`, {
      expected: `one of ${[...this.numbers.keys()].join(", ")}`,
    });
  }

  private numberFor(name: PkeyName): Pkey {
    const { pkeyNumbers } = this.arch;
    const own = pkeyNumbers[name];
    if (own === undefined) return this.lowestFree();
    const other = this.names.get(own);
    if (other === undefined) return toPkey(own);
    // A key without a reserved number has this one only if all other numbers are taken too.
    if (pkeyNumbers[other] !== own) return this.lowestFree();
    throw new KpkeysError(
      "ERR_PKEY_DUPLICATE",
      `the architecture gives the key ${name} the number ${own} of ${other}`,
      { expected: "a different number for each key" },
    );
  }

  private lowestFree(): Pkey {
    const { keys } = this.register;
    const reserved = new Set(Object.values(this.arch.pkeyNumbers));
    const free = Array.from({ length: keys }, (_, number) => number).filter((number) => !this.names.has(number));
    return toPkey(free.find((number) => !reserved.has(number)) ?? free[0] ?? Math.max(keys, this.names.size));
  }
}
