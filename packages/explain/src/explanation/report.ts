import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { ArchTools, ExplainRules, FaultReport } from "@kpkeys/core/contracts";
import { fromWords, toWords } from "@kpkeys/core/machine";
import { readEntries, TABLE_ENTRY_INPUTS } from "./entries.js";
import type { GivenEntries } from "./entries.js";
import type { ExplainKernel, FaultQuestion, Reason } from "./explanation.js";
import { readInputs, REQUIRED, requireInputs } from "./inputs.js";
import type { ReadInputs } from "./inputs.js";

/** Fields that are in no register of a report. */
const NOT_REPORTED = { kind: FaultKind.NONE, level: 0, entryHigh: 0, entryLow: 0, pkey: 0 };

/** A fault report and its inputs. */
export interface ReadReport {
  /** The inputs. */
  readonly inputs: ReadInputs;
  /** The table entries as given. */
  readonly entries: GivenEntries;
  /** The CPU's report. */
  readonly report: FaultReport;
  /** The accessed address, without its tag. */
  readonly address: bigint;
  /** The report, decoded. */
  readonly reasons: readonly Reason[];
}

/**
 * Reads a fault report.
 *
 * @param question - the inputs
 * @param kernel - keys and contexts
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function readReport(question: FaultQuestion, kernel: ExplainKernel, tools: ArchTools): ReadReport {
  const rules = tools.explanation;
  const others = TABLE_ENTRY_INPUTS.map(({ name }) => name);
  const inputs = readInputs(question, rules, others, kernel);
  // A report needs the syndrome; the address is required later, by the walk.
  requireInputs(inputs, rules, ["syndrome"]);
  const report = reportOf(inputs, rules);
  const tag = rules.untag?.(report, inputs);
  const reasons: Reason[] = [
    { topic: "report", text: fieldsOf(report, inputs, tools) },
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

/** The name of the input that has a role. */
export function inputOf(role: "syndrome" | "address" | "keys", { inputs }: ExplainRules): string {
  return inputs.find((input) => input.role === role)!.name;
}

/** The report in the form of a CPU's. */
function reportOf({ values }: ReadInputs, rules: ExplainRules): FaultReport {
  const address = toWords(values[inputOf("address", rules)]!);
  const syndrome = toWords(values[inputOf("syndrome", rules)]!);
  const reported = rules.reportedAccess(syndrome.low, values);
  const fetchInput =
    reported.access === Access.FETCH ? rules.inputs.find(({ role }) => role === "fetch-keys") : undefined;
  const keys = toWords(values[fetchInput?.name ?? inputOf("keys", rules)]!);
  return {
    ...NOT_REPORTED,
    ...reported,
    addressHigh: address.high,
    addressLow: address.low,
    syndromeHigh: syndrome.high,
    syndromeLow: syndrome.low,
    pkeyRegisterHigh: keys.high,
    pkeyRegisterLow: keys.low,
  };
}

/** The registers that were given, and the fields of the syndrome that are known. */
function fieldsOf(report: FaultReport, { given }: ReadInputs, tools: ArchTools): string {
  const rules = tools.explanation;
  // The key registers are not part of a report: they are separate inputs, or assumed.
  const { name: ofData, fetchName = ofData } = rules.pkeyRegister;
  const left = [ofData, fetchName, ...(rules.unknown?.(given)?.fields ?? [])];
  const missing = rules.inputs.filter(({ role, name }) => REQUIRED.includes(role) && given[name] === undefined);
  return tools
    .faultRegisters(report)
    .filter(({ name }) => !left.includes(name) && !missing.some(({ label }) => label === name))
    .map(({ name, text }) => `${name} ${text}`)
    .join(", ");
}
