import type { SuiteResult } from "@kpkeys/kunit-suite";
import { describe, expect, test } from "vitest";
import { jobsOf } from "../src/options.js";
import type { JobResult } from "../src/job.js";
import { kunitReportOf, kunitTextOf } from "../src/report/kunit.js";

const suite: SuiteResult = {
  name: "kpkeys_hardened_pgtables",
  cases: [
    { name: "write_user_pmd", status: "failed", log: ["EXPECTATION FAILED: Direct pmd write wasn't prevented"] },
    { name: "write_vmemmap_pmd", status: "skipped", skipReason: "kpkeys are not supported", log: [] },
  ],
};

/** Results of machines of two architectures. */
function results(arch: readonly ("arm64-poe" | "x86-pks")[]): JobResult[] {
  const lists = { arch, series: ["next"], policy: ["batched"], feature: ["pgtables"] } as const;
  return jobsOf({ ...lists, memory: 2 ** 30, cpus: 1, pkeys: true, seed: 1 }).map((job) => ({
    job,
    replay: null,
    exposure: null,
    micro: null,
    tables: "",
    coverage: null,
    linearMap: null,
    attack: null,
    kunit: [suite],
  }));
}

describe("KTAP", () => {
  test("of one machine is what its kernel would print", () => {
    expect(kunitTextOf(results(["x86-pks"]))).toMatch(
      /^KTAP version 1\n1\.\.1\n {4}KTAP version 1\n {4}# Subtest: kpkeys_/,
    );
  });

  test("of several machines has each as a test with its suites inside, which fails as they do", () => {
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
      "not ok 1 arm64-poe next batched",
      "not ok 2 x86-pks next batched",
    ]);
  });
});

test("the document keeps every case with its messages, the reason of a skip among them", () => {
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
