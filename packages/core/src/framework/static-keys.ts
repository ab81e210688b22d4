import type { StaticKey, StaticKeys } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** A key of a {@link StaticKeyTable}. */
class TableKey implements StaticKey {
  enabled = false;

  constructor(
    readonly name: string,
    private readonly table: StaticKeyTable,
  ) {}

  enable(): void {
    this.table.rejectIfFrozen(this.name, "enable");
    this.enabled = true;
  }
}

/** The static keys of one machine. A key is a plain field, so a hot path reads it without a call. */
export class StaticKeyTable implements StaticKeys {
  readonly all: StaticKey[] = [];
  private frozen = false;

  define(name: string): StaticKey {
    this.rejectIfFrozen(name, "define");
    const key = new TableKey(name, this);
    this.all.push(key);
    return key;
  }

  freeze(): void {
    this.frozen = true;
  }

  /** @throws KpkeysError ERR_FROZEN */
  rejectIfFrozen(name: string, verb: string): void {
    if (!this.frozen) return;
    throw new KpkeysError("ERR_FROZEN", `cannot ${verb} static key '${name}': static keys are read-only after init`, {
      advice: `${verb} it before the machine is frozen`,
    });
  }
}
