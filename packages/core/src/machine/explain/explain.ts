import type { ArchTools, ExplainKernel, Explanation, Reason } from "../../contracts/index.js";
import { candidateOf, chooseCandidate } from "./candidates.js";
import type { Candidate } from "./candidates.js";
import { requireInputs } from "./inputs.js";
import { askedByVector, readReport } from "./question.js";
import type { ExplainTools } from "./question.js";
import { accessReasons, agreementReasons, walkReasons } from "./reasons.js";
import type { ExplainRules } from "./rules.js";
import { verdictOf } from "./verdict.js";
import { changeOf, findWhatIfs } from "./what-ifs.js";
import { explainAlone, explainOther, isExplainedAlone, linuxReason, shapeOf } from "./without-walk.js";

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
    if (isExplainedAlone(read, rules)) return explainAlone(read, question, rules, tools);

    requireInputs(read.inputs, rules.inputs);
    const { candidate, geometry } = chooseCandidate(read, question, rules, tools);
    const { asked, finding, different } = candidate;
    const beyond = different.length > 0 ? rules.beyondEntries?.(read.report) : undefined;
    if (beyond !== undefined) return explainOther(read, question, beyond, rules, tools);
    // Linux knows the key of the page where it signals one, and the exception.
    const { kind, pkey } = different.length === 0 ? finding.attempt.fault : { ...read.report, pkey: undefined };
    const linux = linuxReason({ ...read.report, kind }, pkey, rules, tools);
    return explainAccess(candidate, [...asked.assumed, geometry], [...read.reasons, linux], rules, kernel);
  };
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
    geometry: shapeOf(setup.format.geometry),
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
