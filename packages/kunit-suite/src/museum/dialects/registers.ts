import { fromWords, resolve, toWords } from "@kpkeys/core";
import { Cpus, Kpkeys, PkeyRegister } from "@kpkeys/core/contracts";
import type { ContextName, DependencyContainer } from "@kpkeys/core/contracts";

/** Options of an older version of the API. */
export interface DialectOptions {
  /**
   * Whether entering skips the write of an equal value and returns {@link KPKEYS_PKEY_REG_INVAL}, as the contract allows since v3.
   * Default false: arm64 always wrote the register; the credentials series was the first to skip the write.
   */
  readonly skipEqualWrites?: boolean;
}

/**
 * The value that means "nothing was written": 0, because on arm64 it denies everything and is never restored. On x86 the fields
 * withhold rights, so 0 denies nothing and is an ordinary value.
 */
export const KPKEYS_PKEY_REG_INVAL = 0n;

/** Raw access to the key register of the current CPU, as the older versions of the API pass values. */
export class RawRegister {
  private readonly kpkeys: Kpkeys;
  private readonly cpus: Cpus;
  private readonly needsBarrier: boolean;
  private readonly skipEqualWrites: boolean;

  /**
   * @param container - a machine's container, with its CPUs
   * @param options - options
   */
  constructor(container: DependencyContainer, { skipEqualWrites = false }: DialectOptions) {
    this.kpkeys = resolve(container, Kpkeys);
    this.cpus = resolve(container, Cpus);
    this.needsBarrier = resolve(container, PkeyRegister).synchronisation === "barrier";
    this.skipEqualWrites = skipEqualWrites;
  }

  /**
   * Writes the rights of a context on the managed keys and synchronises.
   * @param context - its name
   * @returns the previous value, 64 bits, or {@link KPKEYS_PKEY_REG_INVAL} if the write was skipped
   */
  enter(context: ContextName): bigint {
    const { clear, set } = this.kpkeys.compiled(context);
    const { pkeyRegisterHigh, pkeyRegisterLow } = this.cpus.current;
    const high = (pkeyRegisterHigh & ~clear.high) | set.high;
    const low = (pkeyRegisterLow & ~clear.low) | set.low;
    if (this.skipEqualWrites && high === pkeyRegisterHigh && low === pkeyRegisterLow) return KPKEYS_PKEY_REG_INVAL;
    this.writeWords(high, low, true);
    return fromWords(pkeyRegisterHigh, pkeyRegisterLow);
  }

  /**
   * Writes a value without a check.
   * @param value - 64 bits
   * @param synchronise - whether a barrier follows
   */
  write(value: bigint, synchronise: boolean): void {
    const { high, low } = toWords(value);
    this.writeWords(high, low, synchronise);
  }

  private writeWords(high: number, low: number, synchronise: boolean): void {
    this.cpus.current.writePkeyRegister(high, low);
    if (synchronise && this.needsBarrier) this.cpus.current.synchronise();
  }
}
