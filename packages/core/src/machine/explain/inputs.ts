import type {
  ExplainInput,
  ExplainKernel,
  FaultQuestion,
  Geometry,
  PageTableFormat,
  Reason,
  SystemRegisters,
} from "../../contracts/index.js";
import { KpkeysError } from "../../errors.js";
import { fromWords } from "../words.js";
import { listed, shortHex, wasOrWere } from "./words.js";

/** An input as the architecture describes it. */
export interface InputRule extends ExplainInput {
  /**
   * What the value is:
   *
   * - `report` — part of the fault report
   * - `keys` — the kernel's key register; if not given, its value in the context DEFAULT
   * - `register` — a system register, by its label; if not given, what the architecture's CPU has after Linux has set it up
   * - `choice` — something else, with a standard value
   * - `shown` — printed where it is given, and decides nothing
   */
  readonly role: "report" | "keys" | "register" | "choice" | "shown";
  /** How wide it is. */
  readonly bits: number;
  /** Whether it is a number such as a width, written in decimal. */
  readonly decimal?: true;
  /** Value of a choice that is not given. */
  readonly standard?: bigint;
  /** Whose value is assumed if it may be left out: `as Linux sets it`. */
  readonly whose?: string;
}

/** What was read of a question, table entries apart. */
export interface ReadInputs {
  /** Values by the inputs' names, assumed ones too; a `report` or `shown` value that is not given is 0. */
  readonly values: Readonly<Record<string, bigint>>;
  /** The inputs that were given, as text. */
  readonly given: Readonly<Record<string, string>>;
  /** What was assumed, by the inputs' names. */
  readonly assumed: ReadonlyMap<string, Reason>;
}

/** What reading needs of the architecture. */
export interface InputReading {
  /** Its inputs, table entries and geometry apart. */
  readonly inputs: readonly InputRule[];
  /** The codec of its entries, of the commonest geometry. */
  readonly format: PageTableFormat;
  /**
   * Makes the registers of a CPU that Linux has set up.
   * @param geometry - the shape of its tables; the commonest if left out
   */
  createSystemRegisters(geometry?: Geometry): SystemRegisters;
  /** A table entry that withholds nothing, without its address. */
  readonly openTable: bigint;
}

/** @returns the error for inputs that nothing can be explained from */
export function refuseInput(what: string, expected: string, where?: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected, ...(where !== undefined && { where }) });
}

/**
 * Reads the inputs of a question, and fills in what was not given.
 *
 * @param question - the inputs as text
 * @param reading - the architecture's part
 * @param others - names of inputs that are read elsewhere
 * @param kernel - has the value of the key register in the context DEFAULT
 * @throws KpkeysError ERR_EXPLAIN_INPUT for an input that is unknown or is no number
 */
export function readInputs(
  question: FaultQuestion,
  reading: InputReading,
  others: readonly string[],
  kernel: ExplainKernel,
): ReadInputs {
  const { inputs } = reading;
  const fresh = reading.createSystemRegisters();
  const known = [...inputs.map(({ name }) => name), ...others];
  for (const name of Object.keys(question.inputs)) {
    if (!known.includes(name)) throw refuseInput(`there is no input '${name}'`, `one of ${known.join(", ")}`);
  }

  const values: Record<string, bigint> = {};
  const assumed = new Map<string, Reason>();
  for (const input of inputs) {
    const text = question.inputs[input.name];
    const value = text === undefined ? assumedValue(input, kernel, fresh) : readValue(input, text);
    values[input.name] = value;
    if (text !== undefined || input.whose === undefined) continue;
    assumed.set(input.name, assumption(input, value, input.whose));
  }
  return { values, given: question.inputs, assumed };
}

/**
 * The same inputs on a machine with tables of a shape, which the registers that were not given name.
 *
 * @param read - the inputs
 * @param reading - the architecture's part
 * @param geometry - the shape
 */
export function inputsFor(read: ReadInputs, reading: InputReading, geometry: Geometry): ReadInputs {
  const fresh = reading.createSystemRegisters(geometry);
  const values = { ...read.values };
  const assumed = new Map(read.assumed);
  for (const input of reading.inputs) {
    if (input.role !== "register" || read.given[input.name] !== undefined) continue;
    values[input.name] = fresh.read(input.label);
    if (input.whose !== undefined) assumed.set(input.name, assumption(input, values[input.name]!, input.whose));
  }
  return { ...read, values, assumed };
}

/**
 * What is assumed of an input that was not given.
 *
 * @param input - the input
 * @param value - its value
 * @param whose - why that one
 */
export function assumption(input: InputRule, value: bigint, whose: string): Reason {
  return { topic: "assumed", text: `${input.label} was not given: assumed ${inputText(input, value)}, ${whose}` };
}

/** @returns a value as it is given */
export function inputText({ decimal }: InputRule, value: bigint): string {
  return decimal ? String(value) : shortHex(value);
}

/**
 * Checks that all required inputs are there.
 *
 * @param read - the inputs
 * @param inputs - the architecture's
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function requireInputs({ given }: ReadInputs, inputs: readonly InputRule[]): void {
  const missing = inputs.filter(({ name, required }) => required && given[name] === undefined);
  if (missing.length > 0) throw missingInput(missing.map(({ name }) => name));
}

/** @returns the error for inputs that are not there */
export function missingInput(names: readonly string[]): KpkeysError {
  return refuseInput(`${listed(names)} ${wasOrWere(names)} not given`, `${names.length === 1 ? "it" : "them"} as well`);
}

/**
 * Reads a value.
 *
 * @param input - its form
 * @param text - hexadecimal with or without `0x`, or decimal
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function readValue({ name, bits, decimal }: Pick<InputRule, "name" | "bits" | "decimal">, text: string): bigint {
  const form = decimal ? /^\d{1,3}$/ : /^(0x)?[\da-f]{1,16}$/i;
  const what = decimal ? "a decimal number" : `a hexadecimal number of up to ${bits} bits`;
  const shown = text.replaceAll(/\p{Cc}/gu, "?");
  if (!form.test(text)) throw refuseInput(`'${shown}' is not ${what}`, decimal ? "such as 46" : "such as 0x17", name);
  const value = BigInt(decimal || text.startsWith("0x") || text.startsWith("0X") ? text : `0x${text}`);
  if (BigInt.asUintN(bits, value) !== value) throw refuseInput(`'${text}' is too wide`, `up to ${bits} bits`, name);
  return value;
}

function assumedValue({ role, label, standard }: InputRule, { kpkeys }: ExplainKernel, fresh: SystemRegisters): bigint {
  if (role === "register") return fresh.read(label);
  if (role !== "keys") return standard ?? 0n;
  const { high, low } = kpkeys.initialValue();
  return fromWords(high, low);
}
