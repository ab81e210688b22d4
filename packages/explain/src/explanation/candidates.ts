import { KpkeysError } from "@kpkeys/core";
import { FaultKind } from "@kpkeys/core/contracts";
import type { ArchTools, ExplainRules, Geometry, OtherMachine, PageTableFormat } from "@kpkeys/core/contracts";
import { askedByReport } from "./asked.js";
import type { Asked } from "./asked.js";
import { hasEntries } from "./entries.js";
import type { FaultQuestion, Reason } from "./explanation.js";
import { examine } from "./finding.js";
import type { Finding } from "./finding.js";
import { fittingGeometries, geometryText, isCanonical, readGeometry } from "./geometry.js";
import type { FittingGeometry } from "./geometry.js";
import { inputsFor, invalidInput } from "./inputs.js";
import type { ReadReport } from "./report.js";

/** One reading of a report, tried on the model. */
export interface Candidate {
  /** The access. */
  readonly asked: Asked;
  /** The result. */
  readonly finding: Finding;
  /** The differences from the report, in words. */
  readonly different: readonly string[];
}

/**
 * Tries an access and compares the result with the report.
 *
 * @param asked - the access
 * @param rules - the architecture's rules
 */
export function candidateOf(asked: Asked, rules: ExplainRules): Candidate {
  const finding = examine(asked.setup, rules);
  return { asked, finding, different: asked.differences(finding.attempt) };
}

/**
 * Returns the geometries of page tables that fit a report.
 *
 * @param read - the report
 * @param question - the inputs as text
 * @param rules - the architecture's rules
 * @throws KpkeysError ERR_EXPLAIN_INPUT, as `fittingGeometries`; ERR_EXPLAIN_LIMIT, as the architecture's `geometryOf`
 */
export function geometriesOf(
  read: ReadReport,
  { inputs }: Pick<FaultQuestion, "inputs">,
  rules: ExplainRules,
): readonly FittingGeometry[] {
  const { format, geometries = [format.geometry] } = rules;
  const evidence = { ...rules.geometryOf?.(read.inputs, read.report), ...readGeometry(inputs) };
  return fittingGeometries(geometries, (each) => formatFor(each, rules), evidence, read.entries, read.address);
}

function formatFor(geometry: Geometry, rules: ExplainRules): PageTableFormat {
  return geometry === rules.format.geometry ? rules.format : (rules.formatOf?.(geometry) ?? rules.format);
}

/**
 * Tries a report with every geometry that fits it: on the default machine and, if the report differs, on the variants of the machine.
 * Candidates that match the report are preferred. If the remaining candidates have different verdicts, the geometry is ambiguous, which is
 * an error.
 *
 * @param read - the report
 * @param question - the inputs as text
 * @param tools - the architecture's tools
 * @returns the best candidate, and its geometry in words
 * @throws KpkeysError ERR_EXPLAIN_INPUT, ERR_EXPLAIN_LIMIT
 */
export function chooseCandidate(
  read: ReadReport,
  question: FaultQuestion,
  tools: ArchTools,
): { readonly candidate: Candidate; readonly geometry: Reason } {
  const rules = tools.explanation;
  const geometries = withoutWalk(geometriesOf(read, question, rules), read);
  const unreadable = question.unreadable ?? false;
  let error: unknown;
  const tried = geometries.flatMap((fitting) => {
    const inputs = inputsFor(read.inputs, rules, fitting.format.geometry);
    const machines = rules.otherMachines?.(inputs, read.report) ?? [];
    const tryOn = (machine: OtherMachine | undefined): Candidate =>
      candidateOf(askedByReport({ ...read, inputs }, fitting, machine, unreadable, tools), rules);
    try {
      const first = tryOn(undefined);
      if (unreadable) rejectUnreadable(first);
      return [agrees(first) ? first : (machines.map(tryOn).find(agrees) ?? first)];
    } catch (thrown) {
      if (!(thrown instanceof KpkeysError)) throw thrown;
      error ??= thrown;
      return [];
    }
  });
  if (tried.length === 0) throw error;
  const agreeing = tried.filter(agrees);
  const left = agreeing.length > 0 ? agreeing : tried;
  const texts = left.map(({ asked }) => geometryText(asked.setup.format.geometry));
  if (new Set(left.map(signature)).size > 1) {
    throw invalidInput(
      `the geometry of the page tables is ambiguous: ${texts.join("; ")} fit`,
      "one of them as --page-size and --va-bits",
    );
  }
  const others =
    texts.length === 1
      ? ""
      : `; ${texts.length - 1} other${texts.length === 2 ? " geometry fits" : " geometries fit"} as well, with the same verdict`;
  const { levels } = left[0]!.asked.setup.format.geometry;
  const names = levels.map(({ name }) => name).join(", ");
  return {
    candidate: left[0]!,
    geometry: { topic: "geometry", text: `${texts[0]!}, levels ${names}${others}` },
  };
}

function agrees({ different }: Candidate): boolean {
  return different.length === 0;
}

/** If the address is not canonical no table is read, so entries are not needed. */
function withoutWalk(
  fitting: readonly FittingGeometry[],
  { address, entries }: ReadReport,
): readonly FittingGeometry[] {
  return fitting.map((each) => {
    const { geometry } = each.format;
    return isCanonical(geometry, address) || hasEntries(entries) ? each : { ...each, entries: [0n] };
  });
}

/** @throws KpkeysError ERR_EXPLAIN_INPUT if the walk reaches the table that the kernel could not read */
function rejectUnreadable({ finding }: Candidate): void {
  const { attempt, setup } = finding;
  const last = attempt.steps.at(-1);
  if (last?.type !== "table" || attempt.fault.kind === FaultKind.RESERVED) return;
  const { levels } = setup.format.geometry;
  const next = levels[last.level + 1]?.name ?? "";
  throw invalidInput(
    `the kernel could not read the table that ${levels[last.level]!.name} points to (BAD)`,
    `the ${next} entry from another source`,
  );
}

/** Two candidates with the same signature have the same verdict. */
function signature({ finding, different, asked }: Candidate): string {
  const { levels } = asked.setup.format.geometry;
  const level = finding.attempt.steps.at(-1)?.level;
  return [finding.kind, different.length === 0, level === undefined ? "" : levels[level]!.name].join();
}
