import type { Cpu, PkeyValue, Words } from "./contracts/index.js";

/** The registers of a CPU, as last written, or those that a task has saved. */
export type PkeyRegisters = Pick<Cpu, "pkeyRegisterHigh" | "pkeyRegisterLow" | "fetchRegister">;

/**
 * The value of the key register, or of both registers.
 * @param registers - a CPU, or a task that does not run
 */
export function pkeyValueOf(registers: PkeyRegisters): PkeyValue {
  const { pkeyRegisterHigh: high, pkeyRegisterLow: low, fetchRegister } = registers;
  return withFetch({ high, low }, fetchRegister);
}

/**
 * Writes the key register of a CPU, and its register for fetches if it has one. Does not synchronise.
 * @param cpu - the CPU
 * @param value - a value with {@link PkeyValue.fetch} if the CPU has two registers
 * @returns the number of register writes
 */
export function writePkeyValue(cpu: Cpu, { high, low, fetch }: PkeyValue): number {
  cpu.writePkeyRegister(high, low);
  if (fetch === undefined) return 1;
  cpu.writeFetchRegister(fetch.high, fetch.low);
  return 2;
}

/**
 * Writes the registers of a CPU whose value differs. Does not synchronise.
 * @param cpu - the CPU
 * @param value - the new value
 * @returns the number of register writes
 */
export function updatePkeyValue(cpu: Cpu, { high, low, fetch }: PkeyValue): number {
  let writes = 0;
  if (high !== cpu.pkeyRegisterHigh || low !== cpu.pkeyRegisterLow) {
    cpu.writePkeyRegister(high, low);
    writes++;
  }
  if (fetch !== undefined && !isSame(fetch, cpu.fetchRegister!)) {
    cpu.writeFetchRegister(fetch.high, fetch.low);
    writes++;
  }
  return writes;
}

/**
 * Whether two values are equal, in both registers if there are two.
 * @param a - a value
 * @param b - another one of the same CPU or of another CPU of the machine
 */
export function isSamePkeyValue(a: PkeyValue, b: PkeyValue): boolean {
  return isSame(a, b) && (a.fetch === undefined || b.fetch === undefined || isSame(a.fetch, b.fetch));
}

/**
 * Changes bits of a value: `value & ~clear | set`.
 * @param value - the value
 * @param clear - bits cleared first: a mask of fields
 * @param set - bits set after: rights in these fields
 */
export function changePkeyValue(value: PkeyValue, clear: PkeyValue, set: PkeyValue): PkeyValue {
  const { fetch } = value;
  const changed = fetch && clear.fetch && set.fetch && changeWords(fetch, clear.fetch, set.fetch);
  return withFetch(changeWords(value, clear, set), changed ?? fetch);
}

/** The bitwise OR of two values. @param a - the fields of some keys @param b - the fields of other keys */
export function orPkeyValues(a: PkeyValue, b: PkeyValue): PkeyValue {
  const fetch = a.fetch && b.fetch ? orWords(a.fetch, b.fetch) : (a.fetch ?? b.fetch);
  return withFetch(orWords(a, b), fetch);
}

function withFetch({ high, low }: Words, fetch: Words | undefined): PkeyValue {
  return fetch === undefined ? { high, low } : { high, low, fetch };
}

function changeWords(value: Words, clear: Words, set: Words): Words {
  return { high: (value.high & ~clear.high) | set.high, low: (value.low & ~clear.low) | set.low };
}

function orWords(a: Words, b: Words): Words {
  return { high: a.high | b.high, low: a.low | b.low };
}

function isSame(a: Words, b: Words): boolean {
  return a.high === b.high && a.low === b.low;
}
