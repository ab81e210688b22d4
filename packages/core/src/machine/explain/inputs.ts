import { EntryType } from "../../contracts/index.js";
import type {
  ExplainInput,
  ExplainKernel,
  FaultQuestion,
  PageTableFormat,
  Reason,
  SystemRegisters,
} from "../../contracts/index.js";
import { KpkeysError } from "../../errors.js";
import { fromWords, toWords } from "../words.js";
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
   */
  readonly role: "report" | "keys" | "register" | "choice";
  /** How wide it is. */
  readonly bits: number;
  /** Whether it is a number such as a width, written in decimal. */
  readonly decimal?: true;
  /** Value of a choice that is not given. */
  readonly standard?: bigint;
  /** Whose value is assumed if it may be left out: `as Linux sets it`. */
  readonly whose?: string;
}

/** Linux's names of all levels. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;

/** The table entries by Linux's names: inputs of every architecture. */
export const TABLE_ENTRY_INPUTS: readonly ExplainInput[] = LEVEL_NAMES.map((name) => ({
  name,
  label: name,
  description: `the ${name} entry, as an oops prints it`,
  required: false,
}));

/** What was read of a question. */
export interface ReadInputs {
  /** Values by the inputs' names, assumed ones too. */
  readonly values: Readonly<Record<string, bigint>>;
  /** The table entries from the root down, the leaf last. */
  readonly entries: readonly bigint[];
  /** What was assumed. */
  readonly assumed: readonly Reason[];
}

/** What reading needs of the architecture. */
export interface InputReading {
  /** Its inputs, table entries apart. */
  readonly inputs: readonly InputRule[];
  /** The codec of its entries. */
  readonly format: PageTableFormat;
  /** Makes the registers of a CPU that Linux has set up. */
  createSystemRegisters(): SystemRegisters;
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
 * @param kernel - has the value of the key register in the context DEFAULT
 * @throws KpkeysError ERR_EXPLAIN_INPUT for an input that is unknown, missing, contradicts another or is no number
 */
export function readInputs(question: FaultQuestion, reading: InputReading, kernel: ExplainKernel): ReadInputs {
  const { inputs } = reading;
  const fresh = reading.createSystemRegisters();
  const known = [...inputs, ...TABLE_ENTRY_INPUTS].map(({ name }) => name);
  for (const name of Object.keys(question.inputs)) {
    if (!known.includes(name)) throw refuseInput(`there is no input '${name}'`, `one of ${known.join(", ")}`);
  }
  const missing = inputs.filter(({ name, required }) => required && question.inputs[name] === undefined);
  if (missing.length > 0) throw missingInput(missing.map(({ name }) => name));

  const values: Record<string, bigint> = {};
  const assumed: Reason[] = [];
  for (const input of inputs) {
    const text = question.inputs[input.name];
    const value = text === undefined ? assumedValue(input, kernel, fresh) : readValue(input, text);
    values[input.name] = value;
    if (text !== undefined) continue;
    const shown = input.decimal ? String(value) : shortHex(value);
    assumed.push({ topic: "assumed", text: `${input.label} was not given: assumed ${shown}, ${input.whose!}` });
  }
  const tables = readEntries(question, reading);
  return { values, entries: tables.entries, assumed: [...assumed, ...tables.assumed] };
}

function missingInput(names: readonly string[]): KpkeysError {
  return refuseInput(`${listed(names)} ${wasOrWere(names)} not given`, `${names.length === 1 ? "it" : "them"} as well`);
}

function readValue({ name, bits, decimal }: Pick<InputRule, "name" | "bits" | "decimal">, text: string): bigint {
  const form = decimal ? /^\d{1,3}$/ : /^(0x)?[\da-f]{1,16}$/i;
  const what = decimal ? "a decimal number" : `a hexadecimal number of up to ${bits} bits`;
  if (!form.test(text)) throw refuseInput(`'${text}' is not ${what}`, decimal ? "such as 46" : "such as 0x17", name);
  const value = BigInt(decimal || text.startsWith("0x") || text.startsWith("0X") ? text : `0x${text}`);
  if (BigInt.asUintN(bits, value) !== value) throw refuseInput(`'${text}' is too wide`, `up to ${bits} bits`, name);
  return value;
}

function assumedValue({ role, label, standard }: InputRule, { kpkeys }: ExplainKernel, fresh: SystemRegisters): bigint {
  if (role === "register") return fresh.read(label);
  if (role === "choice") return standard!;
  const { high, low } = kpkeys.initialValue();
  return fromWords(high, low);
}

/** The entries from the root down; tables that are missing above one that was given are made up. */
function readEntries(
  { inputs, entries }: FaultQuestion,
  { format, openTable }: InputReading,
): { readonly entries: readonly bigint[]; readonly assumed: readonly Reason[] } {
  const { levels } = format.geometry;
  const given = entries === undefined ? namedEntries(inputs, format) : listedEntries(inputs, entries, format);
  const depth = given.findLastIndex((entry) => entry !== undefined) + 1;
  if (depth === 0) throw missingInput(["the table entries (--pte and those above it, or --entries)"]);

  given.slice(0, depth).forEach((entry, level) => {
    if (entry === undefined) return;
    const { high, low } = toWords(entry);
    const type = format.typeOf(level, high, low);
    const name = levels[level]!.name;
    const next = levels[level + 1]?.name ?? "";
    if (type === EntryType.LEAF && level < depth - 1) {
      throw refuseInput(`${name} is a leaf, and ${levels[depth - 1]!.name} is given too`, "the entries of one walk");
    }
    if (type === EntryType.TABLE && level === depth - 1) {
      throw refuseInput(`${next} was not given, and ${name} points to a table`, `${next}, and those below it`);
    }
  });

  const missing = given.slice(0, depth).flatMap((entry, level) => (entry === undefined ? [level] : []));
  const names = missing.map((level) => levels[level]!.name);
  const text = `${listed(names)} ${wasOrWere(names)} not given: assumed to withhold nothing`;
  return {
    entries: fillIn(given.slice(0, depth), format, openTable),
    assumed: missing.length === 0 ? [] : [{ topic: "assumed", text }],
  };
}

/** Entries by level, from inputs of Linux's names. Where there is no p4d level, Linux prints the pgd under both names. */
function namedEntries(inputs: FaultQuestion["inputs"], { geometry }: PageTableFormat): (bigint | undefined)[] {
  const value = (name: string): bigint | undefined => {
    const text = inputs[name];
    return text === undefined ? undefined : readValue({ name, bits: 64 }, text);
  };
  const folded = !geometry.levels.some(({ name }) => name === "p4d");
  const [pgd, p4d] = [value("pgd"), value("p4d")];
  if (folded && pgd !== undefined && p4d !== undefined && pgd !== p4d) {
    throw refuseInput("pgd and p4d differ", "one value: with four levels they are the same entry");
  }
  return geometry.levels.map(({ name }) => (name === "pgd" && folded ? (pgd ?? p4d) : value(name)));
}

function listedEntries(
  inputs: FaultQuestion["inputs"],
  entries: readonly string[],
  { geometry }: PageTableFormat,
): bigint[] {
  const twice = LEVEL_NAMES.find((name) => inputs[name] !== undefined);
  if (twice !== undefined) throw refuseInput(`entries and ${twice} are both given`, "one of them");
  if (entries.length > geometry.levels.length) {
    throw refuseInput(`there are ${entries.length} entries`, `at most ${geometry.levels.length}, the root's first`);
  }
  return entries.map((text, level) => readValue({ name: geometry.levels[level]!.name, bits: 64 }, text));
}

/** Tables that nobody named stand in pages that nobody named. */
function fillIn(given: readonly (bigint | undefined)[], format: PageTableFormat, openTable: bigint): bigint[] {
  const taken = new Set(
    given.flatMap((entry) => {
      const { high, low } = toWords(entry ?? 0n);
      return entry === undefined ? [] : [format.pfnOf(high, low)];
    }),
  );
  let pfn = taken.size === 0 ? 1 : Math.min(...taken);
  return given.map((entry) => {
    if (entry !== undefined) return entry;
    while (taken.has(pfn)) pfn++;
    taken.add(pfn);
    return openTable | (BigInt(pfn) << BigInt(format.geometry.pageShift));
  });
}
