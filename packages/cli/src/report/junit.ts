import type { CaseResult, SuiteResult } from "@kpkeys/kunit-suite";
import { create } from "xmlbuilder2";
import type { JobResult } from "../job.js";
import { machineName } from "./kunit.js";

/** An element as plain data for xmlbuilder2: `@name` is an attribute, `#` the text. */
type Element = Readonly<Record<string, unknown>>;

/**
 * The results as JUnit XML: a testsuite for each suite of each machine, named after both. Times are omitted, because none is measured.
 * @param results - results of jobs that ran KUnit
 * @returns the document, ending with a newline
 */
export function junitOf(results: readonly JobResult[]): string {
  const suites = results.flatMap((result) => result.kunit!.map((suite) => suiteElement(result, suite)));
  const cases = results.flatMap(({ kunit }) => kunit!.flatMap((suite) => suite.cases));
  const document = create(
    // XML cannot contain some characters, such as the escape character of a colour.
    { version: "1.0", encoding: "UTF-8", invalidCharReplacement: "\uFFFD" },
    { testsuites: { "@name": "kpkeys kunit", ...countsOf(cases), testsuite: suites } },
  );
  return `${document.end({ prettyPrint: true })}\n`;
}

function suiteElement({ job }: JobResult, { name, cases }: SuiteResult): Element {
  const { spec, series, policy, kunit: { shuffle } = {} } = job;
  const classname = `${machineName(job)}.${name}`;
  const properties = Object.entries({
    arch: spec.arch,
    series,
    policy,
    ...(shuffle !== undefined && { seed: shuffle }),
  });
  return {
    "@name": classname,
    ...countsOf(cases),
    properties: { property: properties.map(([key, value]) => ({ "@name": key, "@value": value })) },
    testcase: cases.map((each) => caseElement(classname, each)),
  };
}

function countsOf(cases: readonly CaseResult[]): Element {
  const count = (wanted: CaseResult["status"]): number => cases.filter(({ status }) => status === wanted).length;
  return { "@tests": cases.length, "@failures": count("failed"), "@errors": 0, "@skipped": count("skipped") };
}

function caseElement(classname: string, { name, status, log, skipReason = "" }: CaseResult): Element {
  const lines = log.join("\n");
  const message = log.find((line) => / FAILED: /.test(line)) ?? log.at(-1) ?? "";
  return {
    "@classname": classname,
    "@name": name,
    ...(status === "failed" && { failure: { "@message": message, "#": lines } }),
    ...(status === "skipped" && { skipped: { "@message": skipReason } }),
    ...(status !== "failed" && lines !== "" && { "system-out": { "#": lines } }),
  };
}
