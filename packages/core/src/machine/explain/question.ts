import { Access } from "../../contracts/index.js";
import type {
  ArchTools,
  ExplainKernel,
  FaultQuestion,
  FaultReport,
  Reason,
  VectorQuestion,
  VectorValue,
} from "../../contracts/index.js";
import { judgeVector } from "../vector-judge.js";
import { fromWords, toWords } from "../words.js";
import { memoryForTables } from "./access.js";
import type { AccessSetup, Attempt } from "./access.js";
import { completeEntries, readEntries, TABLE_ENTRY_INPUTS } from "./entries.js";
import type { GivenEntries } from "./entries.js";
import type { FittingGeometry } from "./geometry.js";
import { assumption, inputText, readInputs, requireInputs } from "./inputs.js";
import type { ReadInputs } from "./inputs.js";
import type { ExplainRules, OtherMachine } from "./rules.js";
import { listed, shortHex } from "./words.js";

/** The tools of an architecture that an explanation is made with. */
export type ExplainTools = Pick<ArchTools, "describeFault" | "faultRegisters" | "runVector">;

/** A question, understood. */
export interface Asked {
  /** The access that it is about. */
  readonly setup: AccessSetup;
  /** What was assumed. */
  readonly assumed: readonly Reason[];
  /** Inputs by their names that the same question needs with a change made, to be understood alike. */
  readonly pins: Readonly<Record<string, string>>;
  /**
   * Holds the model's answer against the report's.
   * @param attempt - the model's
   * @returns what differs, in words; nothing if they agree
   */
  differences(attempt: Attempt): readonly string[];
}

/** A fault report, read. */
export interface ReadReport {
  /** The inputs. */
  readonly inputs: ReadInputs;
  /** The table entries as given. */
  readonly entries: GivenEntries;
  /** What the CPU reported. */
  readonly report: FaultReport;
  /** What was accessed: the address without its tag. */
  readonly address: bigint;
  /** What the report says. */
  readonly reasons: readonly Reason[];
}

/**
 * Reads a fault report.
 *
 * @param question - the inputs
 * @param kernel - what is known of the kernel
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function readReport(
  question: FaultQuestion,
  kernel: ExplainKernel,
  rules: ExplainRules,
  tools: ExplainTools,
): ReadReport {
  const others = TABLE_ENTRY_INPUTS.map(({ name }) => name);
  const inputs = readInputs(question, rules, others, kernel);
  // Without the syndrome nothing can be said; without the address, not where.
  requireInputs(
    inputs,
    rules.inputs.filter(({ name }) => name !== rules.addressInput),
  );
  const { high, low } = toWords(inputs.values[keysInput(rules)]!);
  const report = { ...rules.report(inputs.values), pkeyRegisterHigh: high, pkeyRegisterLow: low };
  const tag = rules.untag?.(report, inputs);
  const reasons: Reason[] = [
    { topic: "report", text: fieldsOf(report, inputs, rules, tools) },
    ...rules.syndromeDetails(report).map((text): Reason => ({ topic: "report", text })),
  ];
  const unknown = rules.unknown?.(inputs.given);
  if (unknown !== undefined) reasons.push({ topic: "report", text: unknown.text });
  if (tag !== undefined) reasons.push({ topic: "report", ...tag.rule });
  return {
    inputs,
    entries: readEntries(question),
    report,
    address: tag?.address ?? fromWords(report.addressHigh, report.addressLow),
    reasons,
  };
}

function keysInput({ inputs }: ExplainRules): string {
  return inputs.find(({ role }) => role === "keys")!.name;
}

/** The registers that were given, and the fields of the syndrome that are known. */
function fieldsOf(report: FaultReport, { given }: ReadInputs, rules: ExplainRules, tools: ExplainTools): string {
  // The key register is no part of a report: it is given next to it, or assumed.
  const left = [rules.pkeyRegister.name, ...(rules.unknown?.(given)?.fields ?? [])];
  const missing = rules.inputs.filter(({ role, name }) => role === "report" && given[name] === undefined);
  return tools
    .faultRegisters(report)
    .filter(({ name }) => !left.includes(name) && !missing.some(({ label }) => label === name))
    .map(({ name, text }) => `${name} ${text}`)
    .join(", ");
}

/**
 * Understands a fault report in tables of some shape.
 *
 * @param read - the report
 * @param fitting - the shape, and the entries by level
 * @param machine - what is assumed of inputs that were not given, instead of what is usual
 * @param unreadable - whether the table below the last entry could not be read
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function askedByReport(
  read: ReadReport,
  { format, entries: given }: FittingGeometry,
  machine: OtherMachine | undefined,
  unreadable: boolean,
  rules: ExplainRules,
  tools: ExplainTools,
): Asked {
  const { inputs, report, address } = read;
  const values: Readonly<Record<string, bigint>> = { ...inputs.values, ...machine };
  const { entries, assumed } = completeEntries(given, format, rules.openTable, unreadable);
  const registers = rules.inputs.filter(({ role }) => role === "register");
  const uncompared = [...rules.uncompared, ...(rules.unknown?.(inputs.given)?.fields ?? [])];
  const comparable = rules.comparable?.(report) ?? report;

  return {
    setup: {
      format,
      entries,
      address,
      access: report.access,
      privilege: report.privilege,
      registers: Object.fromEntries(registers.map(({ name, label }) => [label, values[name]!])),
      pkeyRegister: values[keysInput(rules)]!,
      physicalAddressBits: rules.physicalAddressBits(values, format.geometry),
    },
    assumed: [
      ...rules.inputs.flatMap((input) => {
        const usual = inputs.assumed.get(input.name);
        const other = machine?.[input.name];
        if (usual === undefined || other === undefined) return usual ?? [];
        return assumption(input, other, "with which the report agrees");
      }),
      ...assumed,
    ],
    pins: pinsOf(read, values, rules),
    differences({ ok, fault }) {
      if (ok) return ["it is of a fault, and the model lets the access through"];
      // The model's address has no tag. What the kind of a fault does to the registers is no part of a report.
      const { addressHigh, addressLow } = comparable;
      const computed = new Map(
        tools.faultRegisters({ ...fault, addressHigh, addressLow }).map(({ name, text }) => [name, text]),
      );
      return tools
        .faultRegisters({ ...comparable, kind: fault.kind })
        .filter(({ name, text }) => !uncompared.includes(name) && computed.get(name) !== text)
        .map(({ name, text }) => `${name}: it says ${text}, the model computes ${computed.get(name) ?? "none"}`);
    },
  };
}

/** The address without its tag, and what the machine was assumed to be where there was a choice. */
function pinsOf(
  { inputs, report, address }: ReadReport,
  values: Readonly<Record<string, bigint>>,
  rules: ExplainRules,
): Record<string, string> {
  const machines = rules.otherMachines?.(inputs, report) ?? [];
  const chosen = rules.inputs.filter(({ name }) => machines.some((machine) => machine[name] !== undefined));
  const pins = Object.fromEntries(chosen.map((input) => [input.name, inputText(input, values[input.name]!)]));
  const isTagged = address !== fromWords(report.addressHigh, report.addressLow);
  return isTagged ? { ...pins, [rules.addressInput!]: shortHex(address) } : pins;
}

/** What a vector calls the accesses. */
const ACCESSES: Readonly<Record<string, Access>> = {
  read: Access.READ,
  write: Access.WRITE,
  rmw: Access.RMW,
  fetch: Access.FETCH,
};

/** Width of physical addresses where the vectors were made. */
const VECTOR_ADDRESS_BITS = 40;

/** Pages of a leaf by the vector's name of its size. */
const LEAF_PAGES: Readonly<Record<string, number>> = { "4k": 1, "2m": 2 ** 9, "1g": 2 ** 18 };

/**
 * Understands a line of a vector file: carries it out, and takes the registers as it left them.
 *
 * @param question - the line
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function askedByVector({ vector }: VectorQuestion, rules: ExplainRules, tools: ExplainTools): Asked {
  const entries = entriesOf(vector);
  const leafPages = LEAF_PAGES[String(vector["level"])] ?? 1;
  const { high, low } = toWords(entries.at(-1)!);
  const leaf = rules.format.pfnOf(high, low);
  const inLeaf = (pfn: number): boolean => Math.floor(pfn / leafPages) === Math.floor(leaf / leafPages);
  const { memory } = memoryForTables(entries, rules.format, VECTOR_ADDRESS_BITS, inLeaf);
  const cpu = rules.createCpu(memory, VECTOR_ADDRESS_BITS, rules.format.geometry);
  const outcome = tools.runVector(vector, cpu, memory);
  const { names } = cpu.systemRegisters;
  const { disagreements } = judgeVector(vector, outcome);

  return {
    setup: {
      format: rules.format,
      entries,
      address: BigInt(vector["va"] as string),
      access: ACCESSES[vector["access"] as string]!,
      privilege: rules.vectors.privilegeOf(vector),
      registers: Object.fromEntries(names.map((name) => [name, cpu.systemRegisters.read(name)])),
      pkeyRegister: fromWords(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow),
      physicalAddressBits: VECTOR_ADDRESS_BITS,
    },
    pins: {},
    assumed: [{ topic: "report", text: vectorText(vector, Object.keys(outcome.fields)) }],
    differences: () =>
      disagreements.map(
        ({ field, expected, model }) => `${field}: it says ${said(expected)}, the model ${said(model)}`,
      ),
  };
}

/** Entries of a line as they stand, so that memory can be made for them; the tools refuse a line without. */
function entriesOf({ upper, pte }: VectorQuestion["vector"]): bigint[] {
  const all: readonly unknown[] = [...(Array.isArray(upper) ? (upper as readonly unknown[]) : []), pte];
  return all.map((entry) => (typeof entry === "string" && /^0x[\da-f]{1,16}$/i.test(entry) ? BigInt(entry) : 0n));
}

function vectorText(vector: VectorQuestion["vector"], judged: readonly string[]): string {
  const told = judged.flatMap((field) => {
    const value = vector[field];
    const isTold = field !== "result" && (typeof value === "string" || typeof value === "number");
    return isTold ? [`${field} ${value}`] : [];
  });
  const prior = vector["prior"] === undefined ? "" : ", after the same access with all keys open";
  return `vector ${String(vector["id"])}: ${String(vector["result"])}${prior}: ${listed(told)}`;
}

function said(value: VectorValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
