import { FaultKind, Privilege } from "../../contracts/index.js";
import type {
  ArchTools,
  ExplainKernel,
  Explanation,
  FaultQuestion,
  FaultReport,
  Geometry,
  PageTableFormat,
  Reason,
} from "../../contracts/index.js";
import { KpkeysError } from "../../errors.js";
import { hasEntries } from "./entries.js";
import { examine } from "./finding.js";
import type { Finding } from "./finding.js";
import { fittingGeometries, geometryText, isCanonical, readGeometry } from "./geometry.js";
import type { FittingGeometry } from "./geometry.js";
import { refuseInput, requireInputs } from "./inputs.js";
import { askedByReport, askedByVector, readReport } from "./question.js";
import type { Asked, ExplainTools, ReadReport } from "./question.js";
import { accessReasons, agreementReasons, walkReasons } from "./reasons.js";
import type { ExplainRules, NotTables } from "./rules.js";
import { changeOf, findWhatIfs } from "./what-ifs.js";
import { shortHex } from "./words.js";
import { ACCESS_NAMES, verdictOf } from "./verdict.js";

/**
 * Makes the function that explains an architecture's accesses. It knows no rule: the access, and all that is said of what it may
 * or might do, is tried on a CPU.
 *
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @returns `ArchTools.explain`
 */
export function createExplain(rules: ExplainRules, tools: ExplainTools): ArchTools["explain"] {
  return (question, kernel) => {
    if ("vector" in question) {
      const asked = askedByVector(question, rules, tools);
      const candidate = candidateOf(asked, rules);
      return explainAccess(candidate, asked.assumed, [], rules, kernel);
    }
    const read = readReport(question, kernel, rules, tools);
    const notTables = rules.notTables?.(read.report);
    if (notTables !== undefined) return explainOther(read, question, notTables, rules, tools);

    requireInputs(read.inputs, rules.inputs);
    const { candidate, geometry } = chooseCandidate(read, question, rules, tools);
    const { asked, finding, different } = candidate;
    const beyond = different.length > 0 ? rules.beyondEntries?.(read.report) : undefined;
    if (beyond !== undefined) return explainOther(read, question, beyond, rules, tools);
    // Linux knows the key of the page where it signals one, and the exception.
    const { kind, pkey } = different.length === 0 ? finding.attempt.fault : read.report;
    const linux = linuxReason({ ...read.report, kind, pkey }, rules, tools);
    return explainAccess(candidate, [...asked.assumed, geometry], [...read.reasons, linux], rules, kernel);
  };
}

/** A fault as Linux prints it: an oops, or the signal of a user process. */
function linuxReason(report: FaultReport, rules: ExplainRules, tools: ExplainTools): Reason {
  const isUser = report.privilege === Privilege.USER;
  const text = isUser && rules.describeSignal ? rules.describeSignal(report) : tools.describeFault(report);
  return { topic: "report", text: `Linux: ${text}` };
}

/** A way to understand a report, tried. */
interface Candidate {
  readonly asked: Asked;
  readonly finding: Finding;
  readonly different: readonly string[];
}

function candidateOf(asked: Asked, rules: ExplainRules): Candidate {
  const finding = examine(asked.setup, rules);
  return { asked, finding, different: asked.differences(finding.attempt) };
}

/** The shapes of tables that a report may be of. */
function shapesOf(read: ReadReport, { inputs }: FaultQuestion, rules: ExplainRules): readonly FittingGeometry[] {
  const { format, geometries = [{ geometry: format.geometry }] } = rules;
  const evidence = { ...rules.geometryOf?.(read.inputs, read.report), ...readGeometry(inputs) };
  return fittingGeometries(geometries, (each) => formatFor(each, rules), evidence, read.entries, read.address);
}

function formatFor(geometry: Geometry, rules: ExplainRules): PageTableFormat {
  return geometry === rules.format.geometry ? rules.format : (rules.formatOf?.(geometry) ?? rules.format);
}

/**
 * Tries a report in every shape of tables that it may be of, and with every width of addresses. What agrees with the report wins;
 * shapes that lead to the same verdict are equal, and others are asked for.
 */
function chooseCandidate(
  read: ReadReport,
  question: FaultQuestion,
  rules: ExplainRules,
  tools: ExplainTools,
): { readonly candidate: Candidate; readonly geometry: Reason } {
  const shapes = withoutWalk(shapesOf(read, question, rules), read);
  const widths = [
    rules.physicalAddressBits(read.inputs.values),
    ...(rules.otherAddressBits?.(read.inputs, read.report) ?? []),
  ];
  const unreadable = question.unreadable ?? false;
  let error: unknown;
  const tried = shapes.flatMap((shape) => {
    try {
      const all = widths.map((width) =>
        candidateOf(askedByReport(read, shape, width, unreadable, rules, tools), rules),
      );
      const [first] = all;
      if (unreadable) refuseUnreadable(first!);
      return [all.find(({ different }) => different.length === 0) ?? first!];
    } catch (thrown) {
      if (!(thrown instanceof KpkeysError)) throw thrown;
      error ??= thrown;
      return [];
    }
  });
  if (tried.length === 0) throw error;
  const agreeing = tried.filter(({ different }) => different.length === 0);
  const left = agreeing.length > 0 ? agreeing : tried;
  const texts = left.map(({ asked }) => geometryText(asked.setup.format.geometry));
  if (new Set(left.map(signature)).size > 1) {
    throw refuseInput(
      `the shape of the page tables is not known: ${texts.join("; ")} fit`,
      "one of them as --page-size and --va-bits",
    );
  }
  const others = texts.length === 1 ? "" : `; ${texts.length - 1} other shapes fit as well, with the same verdict`;
  const { levels } = left[0]!.asked.setup.format.geometry;
  const names = levels.map(({ name }) => name).join(", ");
  return {
    candidate: left[0]!,
    geometry: { topic: "geometry", text: `${texts[0]!}, levels ${names}${others}` },
  };
}

/** Where the address is not canonical, no table is read: entries are not needed, and those given do not count. */
function withoutWalk(shapes: readonly FittingGeometry[], { address, entries }: ReadReport): readonly FittingGeometry[] {
  return shapes.map((shape) => {
    const { geometry } = shape.format;
    return isCanonical(geometry, address) || hasEntries(entries) ? shape : { ...shape, entries: [0n] };
  });
}

/** @throws KpkeysError ERR_EXPLAIN_INPUT when the walk comes to the table that the kernel could not read */
function refuseUnreadable({ finding }: Candidate): void {
  const { attempt, setup } = finding;
  const last = attempt.steps.at(-1);
  if (last?.type !== "table" || attempt.fault.kind === FaultKind.RESERVED) return;
  const { levels } = setup.format.geometry;
  const next = levels[last.level + 1]?.name ?? "";
  throw refuseInput(
    `the kernel could not read the table that ${levels[last.level]!.name} points to (BAD)`,
    `the ${next} entry from another source`,
  );
}

/** What must be equal for two shapes to lead to the same verdict. */
function signature({ finding, different, asked }: Candidate): string {
  const { levels } = asked.setup.format.geometry;
  const level = finding.attempt.steps.at(-1)?.level;
  return [finding.kind, different.length === 0, level === undefined ? "" : levels[level]!.name].join();
}

function explainAccess(
  { asked, finding, different }: Candidate,
  before: readonly Reason[],
  report: readonly Reason[],
  rules: ExplainRules,
  kernel: ExplainKernel,
): Explanation {
  const { setup, kind, use } = finding;
  const { pageShift, addressBits, levels } = setup.format.geometry;
  const whatIfs = findWhatIfs(kind, setup, use, rules);
  return {
    geometry: { pageSize: 2 ** pageShift, vaBits: addressBits, levels: levels.map(({ name }) => name) },
    reasons: [
      ...before,
      ...report,
      ...walkReasons(finding, rules),
      ...accessReasons(finding, whatIfs, rules, kernel),
      ...agreementReasons(different),
    ],
    whatIfs: whatIfs.map((whatIf) => changeOf(whatIf, asked.setup, rules)),
    verdict: verdictOf(finding, rules, kernel, different.length === 0),
  };
}

/** A report of something else than tables and keys. The walk is shown where the entries are given; nothing follows from it. */
function explainOther(
  read: ReadReport,
  question: FaultQuestion,
  { name, rules: meaning }: NotTables,
  rules: ExplainRules,
  tools: ExplainTools,
): Explanation {
  const finding = hasEntries(read.entries) ? findingOf(read, question, rules, tools) : undefined;
  const geometry = finding?.setup.format.geometry;
  const at = rules.inputs.some(
    ({ role, name: input, required }) => role === "report" && required && read.inputs.given[input] === undefined,
  )
    ? ""
    : ` at ${shortHex(read.address)}`;
  const access = `${ACCESS_NAMES[read.report.access]}${at} by ${rules.privileges[read.report.privilege]}`;
  return {
    ...(geometry !== undefined && {
      geometry: {
        pageSize: 2 ** geometry.pageShift,
        vaBits: geometry.addressBits,
        levels: geometry.levels.map((level) => level.name),
      },
    }),
    reasons: [
      ...(geometry === undefined ? [] : [{ topic: "geometry", text: geometryText(geometry) } as const]),
      ...read.reasons,
      linuxReason(read.report, rules, tools),
      ...(finding === undefined ? [] : walkReasons(finding, rules)),
      ...meaning.map((rule): Reason => ({ topic: "rule", ...rule })),
    ],
    whatIfs: [],
    verdict: {
      kind: "not-tables",
      result: "fault",
      decidedBy: "other",
      agrees: true,
      text: `${access} faults: ${name}, which is not a matter of tables or keys`,
    },
  };
}

/** The walk of a report of something else, if its shape is known. */
function findingOf(
  read: ReadReport,
  question: FaultQuestion,
  rules: ExplainRules,
  tools: ExplainTools,
): Finding | undefined {
  try {
    const [shape] = shapesOf(read, question, rules);
    const width = rules.physicalAddressBits(read.inputs.values);
    return examine(askedByReport(read, shape!, width, true, rules, tools).setup, rules);
  } catch (error) {
    if (error instanceof KpkeysError) return undefined;
    throw error;
  }
}
