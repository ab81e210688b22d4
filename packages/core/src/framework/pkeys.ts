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
   * @param arch - the numbers that the architecture reserves
   * @param register - the number of keys
   */
  constructor(
    private readonly arch: KpkeysArch,
    private readonly register: PkeyRegister,
  ) {}

  /**
   * Assigns a number to a key: the one that the architecture reserves for the name; otherwise the lowest free number that is not reserved
   * for another name, or the lowest free number if all are reserved. With more keys than the register has, the number is past the last
   * one; freeze() then fails, when all keys are known.
   * @param name - a name that is not registered yet
   * @returns the number
   * @throws KpkeysError ERR_PKEY_DUPLICATE
   */
  add(name: PkeyName): Pkey {
    if (this.numbers.has(name)) {
      throw new KpkeysError("ERR_PKEY_DUPLICATE", `cannot register key ${name}: it is registered already`, {
        advice: "choose another name",
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
    throw new KpkeysError("ERR_PKEY_UNKNOWN", `unknown key ${name}`, {
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
      `cannot register key ${name}: the architecture reserves number ${own} for ${other} too`,
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
