import { fromWords, resolve, toWords } from "@kpkeys/core";
import { Cpus, Kpkeys, PkeyRegister } from "@kpkeys/core/contracts";
import type { ContextName, DependencyContainer } from "@kpkeys/core/contracts";

/** Choices of a dialect. */
export interface DialectOptions {
  /**
   * Whether the architecture leaves out the write of an equal value and says so with {@link KPKEYS_PKEY_REG_INVAL}, as the contract
   * allows since v3. Default false: arm64 wrote always; the credentials series was the first to leave it out.
   */
  readonly skipEqualWrites?: boolean;
}

/**
 * The register value that stands for "nothing was written": 0, because it would deny everything, so there is no reason to restore it. On
 * an architecture whose fields withhold rights, 0 denies nothing: there it is a value like any other.
 */
export const KPKEYS_PKEY_REG_INVAL = 0n;

/** Reads and writes the key register of the current CPU as the raw value that the older dialects hand around. */
export interface RawRegister {
  /**
   * Gives the managed keys the rights of a context and synchronises.
   * @param context - its name
   * @returns the value before, 64 bits; {@link KPKEYS_PKEY_REG_INVAL} when nothing was written
   */
  enter(context: ContextName): bigint;
  /**
   * Writes a value, whatever it is.
   * @param value - 64 bits
   * @param synchronise - whether it counts at once, or only when a barrier follows
   */
  write(value: bigint, synchronise: boolean): void;
}

/**
 * Makes the raw access.
 * @param container - a machine's container, with its CPUs
 * @param options - choices
 */
export function createRawRegister(
  container: DependencyContainer,
  { skipEqualWrites = false }: DialectOptions,
): RawRegister {
  const kpkeys = resolve(container, Kpkeys);
  const cpus = resolve(container, Cpus);
  const needsBarrier = resolve(container, PkeyRegister).synchronisation === "barrier";

  function writeWords(high: number, low: number, synchronise: boolean): void {
    cpus.current.writePkeyRegister(high, low);
    if (synchronise && needsBarrier) cpus.current.synchronise();
  }

  return {
    enter(context) {
      const { clear, set } = kpkeys.compiled(context);
      const { pkeyRegisterHigh, pkeyRegisterLow } = cpus.current;
      const high = (pkeyRegisterHigh & ~clear.high) | set.high;
      const low = (pkeyRegisterLow & ~clear.low) | set.low;
      if (skipEqualWrites && high === pkeyRegisterHigh && low === pkeyRegisterLow) return KPKEYS_PKEY_REG_INVAL;
      writeWords(high, low, true);
      return fromWords(pkeyRegisterHigh, pkeyRegisterLow);
    },
    write(value, synchronise) {
      const { high, low } = toWords(value);
      writeWords(high, low, synchronise);
    },
  };
}
