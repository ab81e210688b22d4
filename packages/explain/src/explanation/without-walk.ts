import { KpkeysError } from "@kpkeys/core";
import { FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { ArchTools, ExplainRules, FaultReport, Geometry, NotTables } from "@kpkeys/core/contracts";
import { hex } from "@kpkeys/core/machine";
import { askedByReport } from "./asked.js";
import { geometriesOf } from "./candidates.js";
import { hasEntries } from "./entries.js";
import type { ExplainGeometry, Explanation, FaultQuestion, Reason } from "./explanation.js";
import { examine } from "./finding.js";
import type { Finding } from "./finding.js";
import { geometryText, isCanonical } from "./geometry.js";
import { inputsFor } from "./inputs.js";
import { walkReasons } from "./reasons.js";
import { inputOf } from "./report.js";
import type { ReadReport } from "./report.js";
import { ACCESS_NAMES, DECIDED_BY } from "./verdict.js";

/**
 * Returns the fault as Linux prints it: an oops, or the signal of a user process.
 *
 * @param report - the report
 * @param pkey - the key of the page, if it is known
 * @param tools - the architecture's tools
 */
export function linuxReason(report: FaultReport, pkey: number | undefined, tools: ArchTools): Reason {
  const { explanation: rules } = tools;
  const isUser = report.privilege === Privilege.USER;
  const text = isUser && rules.describeSignal ? rules.describeSignal(report, pkey) : tools.describeFault(report);
  return { topic: "report", text: `Linux: ${text}` };
}

/** @returns the geometry in the form of an explanation */
export function geometryOf({ pageShift, addressBits, levels }: Geometry): ExplainGeometry {
  return { pageSize: 2 ** pageShift, vaBits: addressBits, levels: levels.map(({ name }) => name) };
}

/**
 * Explains a fault that tables and keys do not decide. The walk is listed if the entries are given, but decides nothing.
 *
 * @param read - the report
 * @param question - the inputs as text
 * @param fault - the kind of the fault
 * @param tools - the architecture's tools
 */
export function explainOther(
  read: ReadReport,
  question: FaultQuestion,
  { name, rules: meaning }: NotTables,
  tools: ArchTools,
): Explanation {
  const { explanation: rules } = tools;
  const finding = hasEntries(read.entries) ? findingOf(read, question, tools) : undefined;
  const geometry = finding?.setup.format.geometry ?? knownGeometry(read, question, rules);
  return {
    geometry: geometry === undefined ? null : geometryOf(geometry),
    reasons: [
      ...reportReasons(read, geometry, tools),
      ...(finding === undefined ? [] : walkReasons(finding, rules)),
      ...meaning.map((rule): Reason => ({ topic: "rule", ...rule })),
    ],
    whatIfs: [],
    verdict: {
      kind: "not-tables",
      result: "fault",
      decidedBy: "other",
      agrees: true,
      text: `${accessOf(read, rules)} faults: ${name}, which tables and keys do not decide`,
    },
  };
}

/**
 * Whether a report without entries is explained from its syndrome: the fault of a user process, for which Linux prints no entries, or
 * of a page that is not mapped. If the address is canonical in no geometry, the model decides without entries.
 *
 * @param read - the report
 * @param rules - the architecture's rules
 */
export function isExplainedAlone(read: ReadReport, rules: ExplainRules): boolean {
  const { format, geometries = [format.geometry] } = rules;
  const { entries, report, address } = read;
  if (rules.decidedBy === undefined || hasEntries(entries)) return false;
  if (!geometries.some((geometry) => isCanonical(geometry, address))) return false;
  if (report.privilege === Privilege.USER) return true;
  return isAddressGiven(read, rules) && rules.decidedBy(report).kind === FaultKind.TRANSLATION;
}

/**
 * Explains a report without entries from its syndrome. There is no walk and no comparison with the model.
 *
 * @param read - the report
 * @param question - the inputs as text
 * @param tools - the architecture's tools
 */
export function explainAlone(read: ReadReport, question: FaultQuestion, tools: ArchTools): Explanation {
  const { explanation: rules } = tools;
  const { kind, name, rule } = rules.decidedBy!(read.report);
  const geometry = knownGeometry(read, question, rules);
  return {
    geometry: geometry === undefined ? null : geometryOf(geometry),
    reasons: [
      ...reportReasons(read, geometry, tools),
      { topic: "rule", ...rule },
      { topic: "agreement", text: "no table entry was given: there is no walk to compare the report with" },
    ],
    whatIfs: [],
    verdict: {
      kind: "tables",
      result: "fault",
      decidedBy: DECIDED_BY[kind],
      agrees: true,
      text: `${accessOf(read, rules)} faults: ${name}`,
    },
  };
}

function reportReasons(read: ReadReport, geometry: Geometry | undefined, tools: ArchTools): Reason[] {
  return [
    ...(geometry === undefined ? [] : [{ topic: "geometry", text: geometryText(geometry) } as const]),
    ...read.reasons,
    ...(isAddressGiven(read, tools.explanation) ? [linuxReason(read.report, undefined, tools)] : []),
  ];
}

function isAddressGiven({ inputs }: ReadReport, rules: ExplainRules): boolean {
  return inputs.given[inputOf("address", rules)] !== undefined;
}

function accessOf(read: ReadReport, rules: ExplainRules): string {
  const at = isAddressGiven(read, rules) ? ` at ${hex(read.address)}` : "";
  return `${ACCESS_NAMES[read.report.access]}${at} by ${rules.privileges[read.report.privilege]}`;
}

/** @returns the geometry of a report, if exactly one fits its inputs and its address */
function knownGeometry(read: ReadReport, question: FaultQuestion, rules: ExplainRules): Geometry | undefined {
  return tryTo(() => {
    const geometries = geometriesOf(read, question, rules);
    return geometries.length === 1 ? geometries[0]!.format.geometry : undefined;
  });
}

/** @returns the walk of a fault that tables do not decide, if its geometry is known */
function findingOf(read: ReadReport, question: FaultQuestion, tools: ArchTools): Finding | undefined {
  return tryTo(() => {
    const rules = tools.explanation;
    const [fitting] = geometriesOf(read, question, rules);
    const inputs = inputsFor(read.inputs, rules, fitting!.format.geometry);
    return examine(askedByReport({ ...read, inputs }, fitting!, undefined, true, tools).setup, rules);
  });
}

/** @returns the result; `undefined` if the inputs do not determine it */
function tryTo<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof KpkeysError) return undefined;
    throw error;
  }
}
