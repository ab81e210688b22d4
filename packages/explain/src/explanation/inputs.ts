import { KpkeysError } from "@kpkeys/core";
import type { ExplainInputRule, ExplainRules, Geometry, GivenInputs, SystemRegisters } from "@kpkeys/core/contracts";
import { fromWords, hex } from "@kpkeys/core/machine";
import type { ExplainKernel, FaultQuestion, Reason } from "./explanation.js";
import { listed, wasOrWere } from "./words.js";

/** The inputs of a question, without table entries. */
export interface ReadInputs extends GivenInputs {
  /** Assumptions by the names of their inputs. */
  readonly assumed: ReadonlyMap<string, Reason>;
}

/** @returns the error for an invalid input */
export function invalidInput(what: string, expected: string, where?: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected, ...(where !== undefined && { where }) });
}

/**
 * Reads the inputs of a question and adds the defaults of those that were not given.
 *
 * @param question - the inputs as text
 * @param rules - the architecture's rules
 * @param others - names of inputs that are read elsewhere
 * @param kernel - its DEFAULT context is the default of the key register
 * @throws KpkeysError ERR_EXPLAIN_INPUT for an input that is unknown or not a number
 */
export function readInputs(
  question: FaultQuestion,
  rules: ExplainRules,
  others: readonly string[],
  kernel: ExplainKernel,
): ReadInputs {
  const { inputs } = rules;
  const fresh = rules.createSystemRegisters(rules.format.geometry);
  const known = [...inputs.map(({ name }) => name), ...others];
  for (const name of Object.keys(question.inputs)) {
    if (!known.includes(name)) throw invalidInput(`unknown input '${name}'`, `one of ${known.join(", ")}`);
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
 * Returns the same inputs for tables of a geometry: registers that were not given get the values of that geometry.
 *
 * @param read - the inputs
 * @param rules - the architecture's rules
 * @param geometry - the geometry
 */
export function inputsFor(read: ReadInputs, rules: ExplainRules, geometry: Geometry): ReadInputs {
  const fresh = rules.createSystemRegisters(geometry);
  const values = { ...read.values };
  const assumed = new Map(read.assumed);
  for (const input of rules.inputs) {
    if (input.role !== "register" || read.given[input.name] !== undefined) continue;
    values[input.name] = fresh.read(input.label);
    if (input.whose !== undefined) assumed.set(input.name, assumption(input, values[input.name]!, input.whose));
  }
  return { ...read, values, assumed };
}

/**
 * Returns the assumption for an input that was not given.
 *
 * @param input - the input
 * @param value - its value
 * @param whose - the origin of the value
 */
export function assumption(input: ExplainInputRule, value: bigint, whose: string): Reason {
  return { topic: "assumed", text: `${input.label} was not given: assumed ${inputText(input, value)}, ${whose}` };
}

/** @returns a value in the form of its input */
export function inputText({ decimal }: ExplainInputRule, value: bigint): string {
  return decimal ? String(value) : hex(value);
}

/** Roles of the required inputs. */
export const REQUIRED: readonly ExplainInputRule["role"][] = ["syndrome", "address"];

/**
 * Checks that inputs were given.
 *
 * @param read - the inputs
 * @param inputs - the architecture's inputs
 * @param roles - the roles to check
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function requireInputs(
  { given }: ReadInputs,
  { inputs }: ExplainRules,
  roles: readonly ExplainInputRule["role"][],
): void {
  const missing = inputs.filter(({ name, role }) => roles.includes(role) && given[name] === undefined);
  if (missing.length > 0) throw missingInput(missing.map(({ name }) => name));
}

/** @returns the error for missing inputs */
export function missingInput(names: readonly string[]): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", `${listed(names)} ${wasOrWere(names)} not given`, {
    advice: names.length === 1 ? "give its value" : "give their values",
  });
}

/**
 * Reads a value.
 *
 * @param input - its form
 * @param text - hexadecimal with or without `0x`, or decimal
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function readValue(
  { name, bits, decimal }: Pick<ExplainInputRule, "name" | "bits" | "decimal">,
  text: string,
): bigint {
  const form = decimal ? /^\d{1,3}$/ : /^(0x)?[\da-f]{1,16}$/i;
  const what = decimal ? "a decimal number" : `a hexadecimal number of up to ${bits} bits`;
  const shown = text.replaceAll(/\p{Cc}/gu, "?");
  if (!form.test(text)) throw invalidInput(`'${shown}' is not ${what}`, decimal ? "such as 46" : "such as 0x17", name);
  const value = BigInt(decimal || text.startsWith("0x") || text.startsWith("0X") ? text : `0x${text}`);
  if (BigInt.asUintN(bits, value) !== value) throw invalidInput(`'${text}' is too wide`, `up to ${bits} bits`, name);
  return value;
}

function assumedValue(
  { role, label, standard }: ExplainInputRule,
  { kpkeys }: ExplainKernel,
  fresh: SystemRegisters,
): bigint {
  if (role === "register") return fresh.read(label);
  if (role !== "keys" && role !== "fetch-keys") return standard ?? 0n;
  const value = kpkeys.initialValue();
  const { high, low } = role === "keys" ? value : value.fetch!;
  return fromWords(high, low);
}
