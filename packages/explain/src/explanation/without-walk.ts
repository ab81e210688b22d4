import { KpkeysError } from "@kpkeys/core";
import { FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { ArchTools, ExplainRules, FaultReport, Geometry, NotTables } from "@kpkeys/core/contracts";
import { hex } from "@kpkeys/core/machine";
import { askedByReport } from "./asked.js";
import { shapesOf } from "./candidates.js";
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
 * A fault as Linux prints it: an oops, or the signal of a user process.
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

/** The shape of tables as an explanation has it. */
export function shapeOf({ pageShift, addressBits, levels }: Geometry): ExplainGeometry {
  return { pageSize: 2 ** pageShift, vaBits: addressBits, levels: levels.map(({ name }) => name) };
}

/**
 * A report of something else than tables and keys. The walk is shown where the entries are given; nothing follows from it.
 *
 * @param read - the report
 * @param question - the inputs as text
 * @param what - what the report is of
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
    geometry: geometry === undefined ? null : shapeOf(geometry),
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
      text: `${accessOf(read, rules)} faults: ${name}, which is not a matter of tables or keys`,
    },
  };
}

/**
 * Whether a report without entries is explained by itself: one of a user process, of which Linux prints none, or of a page that is
 * not mapped. Where the address is canonical in no shape of tables, the model decides without entries.
 *
 * @param read - the report
 * @param rules - the architecture's words
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
 * A report that has no entries: what its syndrome says. Nothing is walked, and nothing is compared.
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
    geometry: geometry === undefined ? null : shapeOf(geometry),
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

/** The shape of tables that a report names, or the only one that its address may be of. */
function knownGeometry(read: ReadReport, question: FaultQuestion, rules: ExplainRules): Geometry | undefined {
  return tryTo(() => {
    const shapes = shapesOf(read, question, rules);
    return shapes.length === 1 ? shapes[0]!.format.geometry : undefined;
  });
}

/** The walk of a report of something else, if its shape is known. */
function findingOf(read: ReadReport, question: FaultQuestion, tools: ArchTools): Finding | undefined {
  return tryTo(() => {
    const rules = tools.explanation;
    const [shape] = shapesOf(read, question, rules);
    const inputs = inputsFor(read.inputs, rules, shape!.format.geometry);
    return examine(askedByReport({ ...read, inputs }, shape!, undefined, true, tools).setup, rules);
  });
}

/** What cannot be known of a report that is explained without it. */
function tryTo<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof KpkeysError) return undefined;
    throw error;
  }
}
