import type { Lack, LackKind } from "../replay/lacks.js";
import type { ArchReport, NotKnown, RunReport } from "./document.js";

/** Fields of the report that depend on the same kinds of event. */
interface Dependence {
  /** What they are, for the last line of the text. */
  readonly subject: string;
  /** Their paths in the document; `*` for each element or key, `name=value` for the elements with that field. */
  readonly fields: readonly string[];
  /** What they need. */
  readonly needs: readonly LackKind[];
  /** Whether they are listed where they are `null` already: without a fault there is no system time to estimate by. */
  readonly always?: true;
  /** For which machines they depend on it; for all if left out. */
  readonly of?: (arch: ArchReport) => boolean;
}

/** What a report does not know. */
export interface Unknown {
  /** In few words. */
  readonly subjects: readonly string[];
  /** What the recording lacks of what they need. */
  readonly lacks: readonly Lack[];
}

/** Everything is known. */
export const NOTHING: Unknown = { subjects: [], lacks: [] };

/** What decides which user tables there are, and what is written to them. */
const TABLES: readonly LackKind[] = ["page-faults", "page-fault-addresses", "mappings", "forks", "exits", "exec"];

/** What decides which fault finds what. */
const FAULTS: readonly LackKind[] = ["page-faults", "page-fault-addresses", "mappings", "forks", "exec"];

const COUNTS = ["pages", "keyed", "readOnly"];
const COSTS = ["tableWrites", "writesBySetter.*", "registerWrites", "barriers", "tlbInvalidations", "wrmsrCycles"];
const STORES = ["tried", "blocked"];

function under(path: string, names: readonly string[]): string[] {
  return names.map((name) => `${path}.${name}`);
}

/** What the numbers of a report depend on. What is in no line depends on the machine or on time alone. */
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

/** Leaves of the linear map that a key of a single page splits; without them it is the same for every workload. */
function hasBlocks({ linearMap: { leaves } }: ArchReport): boolean {
  const smallest = Math.min(...leaves.map(({ bytes }) => bytes));
  return leaves.some(({ bytes, count }) => bytes > smallest && count !== 0);
}

/**
 * Sets what cannot be known to `null`: every number that depends on a kind of event which the recording lacks.
 * @param report - a report with all its numbers
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

/** Sets the fields of a path to `null`. @returns whether any was something else */
function blank(node: unknown, [key, ...rest]: readonly string[]): boolean {
  if (typeof node !== "object" || node === null || key === undefined) return false;
  const fields = node as Record<string, unknown>;
  const keys = Object.keys(fields).filter((name) => selects(key, name, fields[name]));
  if (rest.length > 0) return keys.map((name) => blank(fields[name], rest)).includes(true);
  const known = keys.filter((name) => fields[name] !== null);
  for (const name of known) fields[name] = null;
  return known.length > 0;
}

/** Whether a step of a path leads to an element or a field. */
function selects(step: string, name: string, value: unknown): boolean {
  const [field, wanted] = step.split("=");
  if (wanted === undefined) return step === "*" || step === name;
  return typeof value === "object" && value !== null && (value as Record<string, unknown>)[field!] === wanted;
}

/**
 * Whether a field is `null` for something that the recording lacks.
 * @param report - the report
 * @param field - its path, as {@link NotKnown.field} has it
 */
export function isUnknown({ notKnown }: Pick<RunReport, "notKnown">, field: string): boolean {
  return notKnown.some((unknown) => unknown.field === field);
}

/**
 * What a report does not know, in few words.
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
