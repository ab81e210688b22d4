import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatKtap } from "../src/index.js";
import type { CaseResult, SuiteResult } from "../src/index.js";
import { plainName } from "../src/ktap/writer.js";
import { parseKtap } from "./parse-ktap.js";

function passed(name: string, ...log: string[]): CaseResult {
  return { name, status: "passed", log };
}

describe("formatKtap", () => {
  it("prints a suite as KUnit does", () => {
    const cases: CaseResult[] = [
      passed("write_direct_map_pgtables", "pud: entry 3"),
      { name: "write_user_pmd", status: "failed", log: ["EXPECTATION FAILED: Direct pmd write wasn't prevented"] },
    ];
    expect(formatKtap([{ name: "kpkeys_hardened_pgtables", cases }])).toBe(
      `KTAP version 1
1..1
    KTAP version 1
    # Subtest: kpkeys_hardened_pgtables
    1..2
    # write_direct_map_pgtables: pud: entry 3
    ok 1 write_direct_map_pgtables
    # write_user_pmd: EXPECTATION FAILED: Direct pmd write wasn't prevented
    not ok 2 write_user_pmd
# kpkeys_hardened_pgtables: pass:1 fail:1 skip:0 total:2
# Totals: pass:1 fail:1 skip:0 total:2
not ok 1 kpkeys_hardened_pgtables
`,
    );
  });

  it("prints skips with the reason, and does not fail the suite for them", () => {
    const skipped = { status: "skipped", skipReason: "kpkeys are not supported", log: [] } as const;
    const suites: SuiteResult[] = [
      { name: "one", cases: [{ ...skipped, name: "a" }] },
      { name: "two", cases: [{ ...skipped, name: "a" }, passed("b")] },
    ];
    expect(formatKtap(suites).split("\n")).toEqual([
      "KTAP version 1",
      "1..2",
      "    KTAP version 1",
      "    # Subtest: one",
      "    1..1",
      "    ok 1 a # SKIP kpkeys are not supported",
      "ok 1 one # SKIP",
      "    KTAP version 1",
      "    # Subtest: two",
      "    1..2",
      "    ok 1 a # SKIP kpkeys are not supported",
      "    ok 2 b",
      "# two: pass:1 fail:0 skip:1 total:2",
      "# Totals: pass:1 fail:0 skip:1 total:2",
      "ok 2 two",
      "",
    ]);
  });

  it("prints a document without an error in the kernel's grammar, for any names and logs", () => {
    const text = fc.oneof(
      fc.string({ minLength: 1, maxLength: 12 }),
      fc.constantFrom("ok 1 a", "not ok 2 b", "1..3", "KTAP version 1", "# Subtest: x", "a # SKIP b", "two\nlines"),
    );
    const name = text.filter((value) => value.trim() === value && !value.startsWith("- "));
    const caseResult: fc.Arbitrary<CaseResult> = fc
      .record({ name, status: fc.constantFrom("passed", "failed", "skipped"), skipReason: text, log: fc.array(text) })
      .map(({ skipReason, ...rest }) => (rest.status === "skipped" ? { ...rest, skipReason } : rest));
    const suites = fc.array(fc.record({ name, cases: fc.array(caseResult, { minLength: 1, maxLength: 5 }) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(suites, (results) => {
        // That parser reads a case with the name of its suite as the result of the suite.
        fc.pre(results.every((suite) => suite.cases.every((each) => plainName(each.name) !== plainName(suite.name))));
        const { results: parsed, errors } = parseKtap(formatKtap(results));
        expect(errors).toEqual([]);
        expect(parsed.map(({ children }) => children.map(({ status }) => status))).toEqual(
          results.map(({ cases }) => cases.map(({ status }) => status)),
        );
        for (const { status, children } of parsed) {
          const statuses = new Set(children.map((child) => child.status));
          expect(status).toBe(statuses.has("failed") ? "failed" : statuses.has("passed") ? "passed" : "skipped");
        }
      }),
    );
  });
});
