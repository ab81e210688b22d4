import type { Lack, LackKind } from "../replay/lacks.js";
import type { ArchReport, NotKnown, RunReport } from "./document.js";

/** Fields of the report that depend on the same kinds of event. */
interface Dependence {
  /** Their subject, for the last line of the text report. */
  readonly subject: string;
  /** Their paths in the document; `*` for each element or key, `name=value` for the elements with that field. */
  readonly fields: readonly string[];
  /** The information that they need. */
  readonly needs: readonly LackKind[];
  /** Whether they are listed although they are already `null`: without a user fault there is no estimate. */
  readonly always?: true;
  /** The machines to which the dependence applies; all if left out. */
  readonly of?: (arch: ArchReport) => boolean;
}

/** The subjects of a report that are not known. */
export interface Unknown {
  /** The subjects, in a few words each. */
  readonly subjects: readonly string[];
  /** The information that they need and the recording lacks. */
  readonly lacks: readonly Lack[];
}

/** No subject is unknown. */
export const NOTHING: Unknown = { subjects: [], lacks: [] };

/** The information that determines the user tables and their entries. */
const TABLES: readonly LackKind[] = ["page-faults", "page-fault-addresses", "mappings", "forks", "exits", "exec"];

/** The information that determines the outcome of each fault. */
const FAULTS: readonly LackKind[] = ["page-faults", "page-fault-addresses", "mappings", "forks", "exec"];

const COUNTS = ["pages", "keyed", "readOnly"];
const COSTS = ["tableWrites", "writesBySetter.*", "registerWrites", "barriers", "tlbInvalidations", "wrmsrCycles"];
const STORES = ["tried", "blocked"];

function under(path: string, names: readonly string[]): string[] {
  return names.map((name) => `${path}.${name}`);
}

/** The dependences of the report's numbers. A field in no entry depends only on the machine or on time. */
const DEPENDENCES: readonly Dependence[] = [
  {
    subject: "coverage",
    fields: [
      ...under("arches.*.coverage", COUNTS),
      ...under("arches.*.coverage.bySource.user", COUNTS),
      ...under("arches.*.coverage.byLevel.*", COUNTS),
      "arches.*.coverage.gaps.source=user.pages",
    ],
    needs: TABLES,
  },
  {
    subject: "objects",
    fields: under("arches.*.coverage.objects.*", ["objects", "keyed", "readOnly"]),
    needs: ["forks", "exits", "exec"],
  },
  {
    subject: "attacks",
    fields: under("arches.*.attack.loads", STORES),
    needs: ["forks", "exits", "exec"],
    of: ({ attack }) => attack?.loads.tried !== 0,
  },
  {
    subject: "linear map",
    fields: under("arches.*.linearMap", ["tables", "splits", "tlbReach", "leaves.*.count"]),
    needs: TABLES,
    of: hasBlocks,
  },
  {
    subject: "check",
    fields: under("arches.*.check", ["pages", "open", "gaps.source=user.pages"]),
    needs: TABLES,
  },
  {
    subject: "attacks",
    fields: [
      ...under("arches.*.attack", [...STORES, "readOnly", "gaps.source=user.stores"]),
      ...under("arches.*.attack.bySource.user", STORES),
    ],
    needs: TABLES,
  },
  { subject: "cost", fields: under("arches.*.policies.*", COSTS), needs: TABLES },
  {
    subject: "cost",
    fields: ["arches.*.policies.*.overhead"],
    needs: TABLES,
    of: ({ policies }) => policies.naive !== undefined || policies.batched !== undefined,
    always: true,
  },
  {
    subject: "faults",
    fields: under("arches.*", ["alreadyMapped", "inferredMappings", "unexplainedFaults"]),
    needs: FAULTS,
  },
  { subject: "refused calls", fields: ["trace.refused", "arches.*.refused"], needs: ["mappings"] },
  { subject: "processes", fields: ["trace.processes"], needs: ["forks"] },
  { subject: "agreement", fields: ["arches.*.linux"], needs: TABLES },
];

/** Whether the linear map has block mappings, which a key for one page splits. Without them it is the same for every workload. */
function hasBlocks({ linearMap: { leaves } }: ArchReport): boolean {
  const smallest = Math.min(...leaves.map(({ bytes }) => bytes));
  return leaves.some(({ bytes, count }) => bytes > smallest && count !== 0);
}

/**
 * Sets every number that depends on missing information to `null`.
 * @param report - a report with all numbers
 * @returns the report with {@link RunReport.notKnown}
 */
export function withUnknown(report: RunReport): RunReport {
  const { lacks } = report.trace;
  if (lacks.length === 0) return report;
  const unknown = structuredClone(report);
  const notKnown = DEPENDENCES.flatMap(({ fields, needs, always = false, of = () => true }): NotKnown[] => {
    const lacking = lacks.filter(({ kind }) => needs.includes(kind));
    if (lacking.length === 0) return [];
    const reason = lacking.map((lack) => lack.reason).join("; ");
    const reports = { ...unknown, arches: unknown.arches.filter(of) };
    const listed = always && reports.arches.length > 0;
    return fields.filter((field) => blank(reports, field.split(".")) || listed).map((field) => ({ field, reason }));
  });
  return { ...unknown, notKnown };
}

/** Sets the fields of a path to `null`. @returns whether any of them had another value */
function blank(node: unknown, [key, ...rest]: readonly string[]): boolean {
  if (typeof node !== "object" || node === null || key === undefined) return false;
  const fields = node as Record<string, unknown>;
  const keys = Object.keys(fields).filter((name) => selects(key, name, fields[name]));
  if (rest.length > 0) return keys.map((name) => blank(fields[name], rest)).includes(true);
  const known = keys.filter((name) => fields[name] !== null);
  for (const name of known) fields[name] = null;
  return known.length > 0;
}

/** Whether a step of a path selects an element or a field. */
function selects(step: string, name: string, value: unknown): boolean {
  const [field, wanted] = step.split("=");
  if (wanted === undefined) return step === "*" || step === name;
  return typeof value === "object" && value !== null && (value as Record<string, unknown>)[field!] === wanted;
}

/**
 * Whether a field is not known.
 * @param report - the report
 * @param field - its path in the form of {@link NotKnown.field}
 */
export function isUnknown({ notKnown }: Pick<RunReport, "notKnown">, field: string): boolean {
  return notKnown.some((unknown) => unknown.field === field);
}

/**
 * The subjects that are not known.
 * @param report - the report
 */
export function unknownOf({ notKnown, trace }: Pick<RunReport, "notKnown" | "trace">): Unknown {
  const fields = new Set(notKnown.map(({ field }) => field));
  if (fields.size === 0) return NOTHING;
  const dependences = DEPENDENCES.filter((dependence) => dependence.fields.some((field) => fields.has(field)));
  const kinds = new Set(dependences.flatMap(({ needs }) => needs));
  return {
    subjects: [...new Set(dependences.map(({ subject }) => subject))],
    lacks: trace.lacks.filter(({ kind }) => kinds.has(kind)),
  };
}
