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
import { readInputs } from "./inputs.js";
import type { ExplainRules } from "./rules.js";
import { listed } from "./words.js";

/** The tools of an architecture that an explanation is made with. */
export type ExplainTools = Pick<ArchTools, "describeFault" | "faultRegisters" | "runVector">;

/** A question, understood. */
export interface Asked {
  /** The access that it is about. */
  readonly setup: AccessSetup;
  /** What was assumed, and what the report says. */
  readonly reasons: readonly Reason[];
  /**
   * Holds the model's answer against the report's.
   * @param attempt - the model's
   * @returns what differs, in words; nothing if they agree
   */
  differences(attempt: Attempt): readonly string[];
}

/**
 * Understands a fault report.
 *
 * @param question - the inputs
 * @param kernel - what is known of the kernel
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function askedByReport(
  question: FaultQuestion,
  kernel: ExplainKernel,
  rules: ExplainRules,
  tools: ExplainTools,
): Asked {
  const { inputs, uncompared } = rules;
  const { values, entries, assumed } = readInputs(question, rules, kernel);
  const pkeyRegister = values[inputs.find(({ role }) => role === "keys")!.name]!;
  const { high, low } = toWords(pkeyRegister);
  const report = { ...rules.report(values), pkeyRegisterHigh: high, pkeyRegisterLow: low };
  const registers = inputs.filter(({ role }) => role === "register");

  return {
    setup: {
      entries,
      address: fromWords(report.addressHigh, report.addressLow),
      access: report.access,
      privilege: report.privilege,
      registers: Object.fromEntries(registers.map(({ name, label }) => [label, values[name]!])),
      pkeyRegister,
      physicalAddressBits: rules.physicalAddressBits(values),
    },
    reasons: [...assumed, ...reportReasons(report, rules, tools)],
    differences({ ok, fault }) {
      if (ok) return ["it tells of a fault, and the model lets the access through"];
      const computed = new Map(tools.faultRegisters(fault).map(({ name, text }) => [name, text]));
      return tools
        .faultRegisters(report)
        .filter(({ name, text }) => !uncompared.includes(name) && computed.get(name) !== text)
        .map(({ name, text }) => `${name}: it says ${text}, the model computes ${computed.get(name) ?? "none"}`);
    },
  };
}

function reportReasons(report: FaultReport, rules: ExplainRules, tools: ExplainTools): Reason[] {
  // The key register is no part of a report: it is given beside it, or assumed.
  const reported = tools.faultRegisters(report).filter(({ name }) => name !== rules.pkeyRegister.name);
  const fields = reported.map(({ name, text }) => `${name} ${text}`);
  return [
    { topic: "report", text: fields.join(", ") },
    ...rules.syndromeDetails(report).map((text): Reason => ({ topic: "report", text })),
    { topic: "report", text: `Linux: ${tools.describeFault(report)}` },
  ];
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
  const cpu = rules.createCpu(memory, VECTOR_ADDRESS_BITS);
  const outcome = tools.runVector(vector, cpu, memory);
  const { names } = cpu.systemRegisters;
  const { disagreements } = judgeVector(vector, outcome);

  return {
    setup: {
      entries,
      address: BigInt(vector["va"] as string),
      access: ACCESSES[vector["access"] as string]!,
      privilege: rules.vectors.privilegeOf(vector),
      registers: Object.fromEntries(names.map((name) => [name, cpu.systemRegisters.read(name)])),
      pkeyRegister: fromWords(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow),
      physicalAddressBits: VECTOR_ADDRESS_BITS,
    },
    reasons: [{ topic: "report", text: vectorText(vector, Object.keys(outcome.fields)) }],
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
