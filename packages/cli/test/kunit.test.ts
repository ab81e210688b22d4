import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import { readKtap } from "@kpkeys/kunit-suite";
import type { SuiteResult } from "@kpkeys/kunit-suite";
import { XMLParser } from "fast-xml-parser";
import { SyntaxValidator } from "fast-xml-validator";
import { describe, expect, test } from "vitest";
import type { JobResult } from "../src/job.js";
import { chooseSuites } from "../src/kunit-cases.js";
import { loadRegistry } from "../src/plugins/load.js";
import { BUNDLED } from "../src/plugins/registry.js";
import { junitOf } from "../src/report/junit.js";
import { kunitCasesTextOf, kunitReportOf, kunitTextOf } from "../src/report/kunit.js";
import { NEXT_LABEL } from "@kpkeys/scenarios";
import { jobFor } from "./job-for.js";

const suite: SuiteResult = {
  name: "kpkeys_hardened_pgtables",
  cases: [
    { name: "write_user_pmd", status: "failed", log: ["EXPECTATION FAILED: Direct pmd write wasn't prevented"] },
    { name: "write_vmemmap_pmd", status: "skipped", skipReason: "kpkeys are not supported", log: [] },
  ],
};

/** Results of machines of two architectures. */
function results(arch: readonly ("arm64-poe" | "x86-pks")[]): JobResult[] {
  return arch.map((id) => ({
    job: jobFor(id),
    replay: null,
    exposure: null,
    micro: null,
    tables: "",
    coverage: null,
    linearMap: null,
    attack: null,
    kunit: [suite],
    kunitCases: suite.cases.map(({ name }) => `${suite.name}.${name}`),
  }));
}

describe("KTAP", () => {
  test("of one machine is the document of its kernel", () => {
    expect(kunitTextOf(results(["x86-pks"]))).toMatch(
      /^KTAP version 1\n1\.\.1\n {4}KTAP version 1\n {4}# Subtest: kpkeys_/,
    );
  });

  test("of several machines has a test for each, with its suites as subtests", () => {
    const lines = kunitTextOf(results(["arm64-poe", "x86-pks"])).split("\n");
    expect(lines.slice(0, 6)).toEqual([
      "KTAP version 1",
      "1..2",
      "    KTAP version 1",
      "    # Subtest: arm64-poe next batched",
      "    1..1",
      "        KTAP version 1",
    ]);
    expect(lines.filter((line) => /^\S/.test(line)).slice(2)).toEqual([
      `# next: ${NEXT_LABEL}`,
      "not ok 1 arm64-poe next batched",
      `# next: ${NEXT_LABEL}`,
      "not ok 2 x86-pks next batched",
    ]);
  });
});

describe("KTAP of several machines", () => {
  test("has no errors, even if a machine has no case or skips all", () => {
    const [first, second] = results(["arm64-poe", "x86-pks"]) as [JobResult, JobResult];
    const skipped = { ...suite, cases: suite.cases.slice(1) };
    const document = readKtap(kunitTextOf([{ ...first, kunit: [] }, { ...second, kunit: [skipped] }, second]));
    expect(document.errors).toEqual([]);
    expect(document.tests.map(({ status, directive }) => [status, directive])).toEqual([
      ["skipped", "SKIP no case to run"],
      ["skipped", "SKIP"],
      ["failed", undefined],
    ]);
  });
});

describe("a filter", () => {
  const spec = { ...DEFAULT_SPEC, arch: "x86-pks", features: ["pgtables"], memory: [{ bytes: 2 ** 27 }] };

  test.each([
    ["kpkeys_hardened_pgtables", 5],
    ["kpkeys*", 5],
    ["*", 12],
    ["*.*", 12],
    ["*.write_*_pmd", 2],
    ["*.write_user_pm?", 1],
    ["*.write_user_pm[!d]", 0],
    ["lazy*.*nest*", 2],
    ["write_user_pmd", 0],
    ["kpkeys_hardened_pgtables.", 0],
    ["{lazy_mmu_mode,kpkeys_hardened_pgtables}", 0],
    ["!kpkeys*", 0],
  ])("%s selects the cases of the kernel's filter_glob: %i cases", async (filter, count) => {
    const config = ["CONFIG_KUNIT=y", "CONFIG_KUNIT_ALL_TESTS=y"];
    const machine = buildMachine({ ...spec, config }, await loadRegistry(BUNDLED));
    const chosen = await chooseSuites(machine, { filter });
    expect(chosen.flatMap(({ cases }) => cases)).toHaveLength(count);
  });
});

test("a list has each case once, in the order in which it runs", () => {
  expect(kunitCasesTextOf(results(["arm64-poe", "x86-pks"]))).toBe(
    "kpkeys_hardened_pgtables.write_user_pmd\nkpkeys_hardened_pgtables.write_vmemmap_pmd\n",
  );
});

describe("JUnit XML", () => {
  const parser = new XMLParser({ ignoreAttributes: false, parseAttributeValue: false });

  /** The document, parsed by another library. */
  function parsed(document: string): unknown {
    expect(SyntaxValidator.validate(document)).toBe(true);
    return parser.parse(document);
  }

  test("has a testsuite for each suite of each machine, with the results of its cases", () => {
    const document = parsed(junitOf(results(["arm64-poe", "x86-pks"])));
    const counts = { "@_tests": "2", "@_failures": "1", "@_errors": "0", "@_skipped": "1" };
    expect(document).toMatchObject({
      testsuites: { "@_tests": "4", "@_failures": "2", "@_skipped": "2", testsuite: [counts, counts] },
    });
    const classname = "x86-pks next batched.kpkeys_hardened_pgtables";
    const message = "EXPECTATION FAILED: Direct pmd write wasn't prevented";
    const failure = { "@_message": message, "#text": message };
    const skipped = { "@_message": "kpkeys are not supported" };
    const { testsuites } = document as { testsuites: { testsuite: { testcase: unknown }[] } };
    expect(testsuites.testsuite[1]).toMatchObject({ "@_name": classname });
    expect(testsuites.testsuite[1]!.testcase).toEqual([
      { "@_classname": classname, "@_name": "write_user_pmd", failure },
      { "@_classname": classname, "@_name": "write_vmemmap_pmd", skipped },
    ]);
  });

  test("is well-formed for every name and log", () => {
    const [result] = results(["x86-pks"]) as [JobResult];
    const log = ["<b> & ]]> \u001b[31m \u0000 \"quoted\" 'too'", "second line"];
    const kunit: SuiteResult[] = [{ name: 'a<b>&"c"', cases: [{ name: "d'e", status: "failed", log }] }];
    const document = parsed(junitOf([{ ...result, kunit }]));
    expect(document).toMatchObject({
      testsuites: { testsuite: { "@_name": 'x86-pks next batched.a<b>&"c"', testcase: { "@_name": "d'e" } } },
    });
    const text = JSON.stringify(document);
    expect(text).toContain("<b> & ]]>");
    expect(text).not.toMatch(/\\u001b|\\u0000/);
  });
});

test("the document has every case with its messages, including the reason of a skip", () => {
  expect(kunitReportOf(results(["arm64-poe"])).arches).toEqual([
    {
      arch: "arm64-poe",
      series: "next",
      policy: "batched",
      suites: [
        {
          name: "kpkeys_hardened_pgtables",
          cases: [
            { name: "write_user_pmd", status: "failed", messages: [expect.stringContaining("wasn't prevented")] },
            { name: "write_vmemmap_pmd", status: "skipped", messages: ["kpkeys are not supported"] },
          ],
        },
      ],
      passed: 0,
      failed: 1,
      skipped: 1,
    },
  ]);
});
