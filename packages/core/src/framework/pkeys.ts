import { toPkey } from "../contracts/numbers.js";
import type { Pkey } from "../contracts/numbers.js";
import type { KeyRights, KpkeysArch, PkeyName, PkeyRegister, Rights } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { checkName, RIGHTS, unionOf } from "./rights.js";

/** A registered key. */
export interface RegisteredKey {
  /** Its number. */
  readonly number: Pkey;
  /** Id of the plugin that registered it; `kpkeys` for DEFAULT; `undefined` if it was registered outside of a plugin's `setup`. */
  readonly owner: string | undefined;
  /** Its rights in DEFAULT, and in each context that does not name it. */
  readonly inDefault: Rights;
  /** Its rights in UNRESTRICTED. */
  readonly inUnrestricted: Rights;
}

/** Key 0. It has `rwx` in every context: kernel code is mapped with it, and exception entry and context switch save state through it. */
const DEFAULT_KEY: RegisteredKey = { number: toPkey(0), owner: "kpkeys", inDefault: "rwx", inUnrestricted: "rwx" };

/** The symbolic keys of a machine, with their numbers, owners and rights. DEFAULT is key 0 on every architecture. */
export class Pkeys {
  /** Names by number. */
  readonly names: Map<number, PkeyName> = new Map([[0, "DEFAULT"]]);
  private readonly keys = new Map<PkeyName, RegisteredKey>([["DEFAULT", DEFAULT_KEY]]);

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
   * @param rights - its rights in DEFAULT and UNRESTRICTED
   * @param owner - id of the plugin that registers it
   * @returns the number
   * @throws KpkeysError ERR_PKEY_DUPLICATE, ERR_CONTEXT_RIGHTS, ERR_PLUGIN_INVALID
   */
  add(name: PkeyName, rights: KeyRights, owner: string | undefined): Pkey {
    checkName("key", name);
    if (this.keys.has(name)) {
      throw new KpkeysError("ERR_PKEY_DUPLICATE", `cannot register key ${name}: it is registered already`, {
        advice: "choose another name",
      });
    }
    checkKeyRights(name, rights);
    const inDefault = rights.default ?? "r";
    const inUnrestricted = rights.unrestricted ?? (inDefault === "none" ? "none" : unionOf(inDefault, "rw"));
    const number = this.numberFor(name);
    this.names.set(number, name);
    this.keys.set(name, { number, owner, inDefault, inUnrestricted });
    return number;
  }

  /**
   * A registered key.
   * @param name - its name
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  find(name: PkeyName): RegisteredKey {
    const key = this.keys.get(name);
    if (key !== undefined) return key;
    throw new KpkeysError("ERR_PKEY_UNKNOWN", `unknown key ${name}`, {
      expected: `one of ${[...this.keys.keys()].join(", ")}`,
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

/** A plugin in JavaScript may pass any object. A misspelt member would leave a secret readable. */
function checkKeyRights(name: PkeyName, rights: KeyRights): void {
  for (const [context, given] of Object.entries(rights) as [string, unknown][]) {
    const known = context === "default" || context === "unrestricted";
    if (known && RIGHTS.includes(given as Rights)) continue;
    throw new KpkeysError("ERR_CONTEXT_RIGHTS", `cannot register key ${name} with ${context}: '${String(given)}'`, {
      expected: `default or unrestricted, with one of ${RIGHTS.join(", ")}`,
    });
  }
}
