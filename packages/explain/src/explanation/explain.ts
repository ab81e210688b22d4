import type { ArchTools, ExplainRules } from "@kpkeys/core/contracts";
import { askedByVector } from "./by-vector.js";
import { candidateOf, chooseCandidate } from "./candidates.js";
import type { Candidate } from "./candidates.js";
import { TABLE_ENTRY_INPUTS } from "./entries.js";
import type { ExplainInput, ExplainKernel, Explanation, ExplainQuestion, Reason } from "./explanation.js";
import { REQUIRED, requireInputs } from "./inputs.js";
import { accessReasons, agreementReasons, walkReasons } from "./reasons.js";
import { readReport } from "./report.js";
import { verdictOf } from "./verdict.js";
import { changeOf, findWhatIfs } from "./what-ifs.js";
import { explainAlone, explainOther, isExplainedAlone, linuxReason, geometryOf } from "./without-walk.js";

/**
 * Returns the inputs of an explanation.
 *
 * @param tools - the architecture's tools
 * @returns the architecture's inputs, then the table entries and the geometry of the tables
 */
export function explainInputs({ explanation }: ArchTools): readonly ExplainInput[] {
  const inputs = explanation.inputs.map((input) => ({ ...input, required: REQUIRED.includes(input.role) }));
  return [...inputs, ...TABLE_ENTRY_INPUTS];
}

/**
 * Explains an access from its fault report, or from a line of an architectural vector file. The access runs on a CPU of the
 * architecture. Every statement about other rights or registers is the result of such a run too. The engine itself has no rule of any
 * architecture.
 *
 * @param question - the report or the vector
 * @param tools - the architecture's tools
 * @param kernel - names and rights of keys and contexts
 * @throws KpkeysError ERR_EXPLAIN_INPUT for inputs that are unknown, missing, contradictory or not numbers; ERR_VECTOR_LINE;
 * ERR_EXPLAIN_LIMIT for what the model does not cover
 */
export function explain(question: ExplainQuestion, tools: ArchTools, kernel: ExplainKernel): Explanation {
  const rules = tools.explanation;
  if ("vector" in question) {
    const asked = askedByVector(question, tools);
    const candidate = candidateOf(asked, rules);
    return explainAccess(candidate, asked.assumed, [], rules, kernel);
  }
  const read = readReport(question, kernel, tools);
  const notTables = rules.notTables?.(read.report);
  if (notTables !== undefined) return explainOther(read, question, notTables, tools);
  if (isExplainedAlone(read, rules)) return explainAlone(read, question, tools);

  requireInputs(read.inputs, rules, REQUIRED);
  const { candidate, geometry } = chooseCandidate(read, question, tools);
  const { asked, finding, different } = candidate;
  const beyond = different.length > 0 ? rules.beyondEntries?.(read.report) : undefined;
  if (beyond !== undefined) return explainOther(read, question, beyond, tools);
  // Linux prints the key of the page with a signal, and the kind of the exception.
  const { kind, pkey } = different.length === 0 ? finding.attempt.fault : { ...read.report, pkey: undefined };
  const linux = linuxReason({ ...read.report, kind }, pkey, tools);
  return explainAccess(candidate, [...asked.assumed, geometry], [...read.reasons, linux], rules, kernel);
}

function explainAccess(
  { asked, finding, different }: Candidate,
  before: readonly Reason[],
  report: readonly Reason[],
  rules: ExplainRules,
  kernel: ExplainKernel,
): Explanation {
  const { setup, kind, use } = finding;
  const whatIfs = findWhatIfs(kind, setup, use, rules);
  return {
    geometry: geometryOf(setup.format.geometry),
    reasons: [
      ...before,
      ...report,
      ...walkReasons(finding, rules),
      ...accessReasons(finding, whatIfs, rules, kernel),
      ...agreementReasons(different),
    ],
    whatIfs: whatIfs.map((whatIf) => changeOf(whatIf, asked, rules)),
    verdict: verdictOf(finding, rules, kernel, different.length === 0),
  };
}
