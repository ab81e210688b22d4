import type { Lack } from "@kpkeys/workloads";
import { describe, expect, test } from "vitest";
import type { RunReport } from "@kpkeys/workloads/report";
import { PLAIN } from "../src/report/style.js";
import { textOf } from "../src/report/text.js";
import { withUnknown } from "@kpkeys/workloads/report";
import { archReport, gaps, runReport, seen } from "./fixture.js";

const lackOf = (kind: Lack["kind"]): Lack => ({ kind, reason: `why no ${kind}`, remedy: `how to have ${kind}` });

/** A report of a recording that lacks kinds of event. */
function lacking(report: RunReport, ...kinds: Lack["kind"][]): RunReport {
  return withUnknown({ ...report, trace: { ...report.trace, lacks: kinds.map(lackOf) } });
}

const fieldsOf = ({ notKnown }: RunReport): string[] => notKnown.map(({ field }) => field);
const lastLine = (report: RunReport): string => textOf(report, PLAIN).trimEnd().split("\n").at(-1)!;

describe("a report of a recording without page faults", () => {
  const whole = runReport(archReport({ check: { ...seen(true), gaps: [] } }), archReport({ arch: "x86-pks" }));
  const report = lacking(whole, "page-faults");
  const [arm64] = report.arches;

  test("has no counts of user tables, costs, attacks and faults", () => {
    const none = { pages: null, keyed: null, readOnly: null };
    expect(arm64!.coverage).toMatchObject({ ...none, bySource: { user: none }, byLevel: { pgd: none, pte: none } });
    expect(arm64!.attack).toMatchObject({ tried: null, blocked: null, readOnly: null });
    expect(arm64!.check).toMatchObject({ pages: null, open: null });
    for (const costs of Object.values(arm64!.policies)) {
      expect(costs).toMatchObject({ tableWrites: null, registerWrites: null, barriers: null, tlbInvalidations: null });
      expect(costs).toMatchObject({ overhead: null, wrmsrCycles: null });
      expect(new Set(Object.values(costs.writesBySetter))).toEqual(new Set([null]));
    }
    expect(arm64).toMatchObject({ alreadyMapped: null, inferredMappings: null, unexplainedFaults: null, linux: null });
  });

  test("has the results that depend on the machine, the time and other events", () => {
    const { coverage, linearMap, kunit, digest, refused } = archReport();
    expect(arm64).toMatchObject({ linearMap, kunit, digest, refused });
    expect(arm64!.coverage.bySource["static"]).toEqual(coverage.bySource["static"]);
    expect(arm64!.policies.batched).toMatchObject({ seconds: 1.76, events: 176_996 });
    expect(report.trace.processes).toBe(121);
  });

  test("lists each field that is null, with the reason", () => {
    expect(fieldsOf(report)).toContain("arches.*.policies.*.tableWrites");
    expect(fieldsOf(report)).toContain("arches.*.policies.*.writesBySetter.*");
    expect(fieldsOf(report)).toContain("arches.*.coverage.bySource.user.pages");
    expect(fieldsOf(report)).toContain("arches.*.policies.*.overhead");
    expect(new Set(report.notKnown.map(({ reason }) => reason))).toEqual(new Set(["why no page-faults"]));
    expect(fieldsOf(whole)).toEqual([]);
  });

  test("differs in these fields only", () => {
    const paths = (node: unknown, path: string[] = []): string[] =>
      typeof node === "object" && node !== null
        ? Object.entries(node).flatMap(([name, value]) => paths(value, [...path, name]))
        : [`${path.join(".")}=${String(node)}`];
    const before = new Set(paths(whole.arches));
    const changed = paths(report.arches).filter((path) => !before.has(path));
    expect(changed.every((path) => path.endsWith("=null"))).toBe(true);
  });

  test("states it above the tables and in the last line, instead of the verdict", () => {
    const text = textOf(report, PLAIN);
    expect(text.indexOf("why no page-faults: how to have page-faults")).toBeLessThan(text.indexOf("table pages"));
    expect(text).toMatch(/table writes +not known +not known/);
    expect(text).toMatch(/attacks blocked +not known/);
    expect(text).toMatch(/open pages +not known/);
    expect(text).toMatch(/processes that agree +not known/);
    expect(lastLine(report)).toBe("Not known: coverage, check, attacks, cost, faults, agreement.");
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    const series = lacking(runReport(archReport({ series: "v5" }), archReport()), "page-faults");
    expect(textOf(series, PLAIN)).toMatch(/keyed +not known +not known/);
  });

  test("still reports gaps, and fails", () => {
    const open = lacking(runReport(archReport(gaps(false))), "page-faults");
    expect(open.arches[0]!.coverage.gaps).toMatchObject([{ source: "static", pages: 5 }]);
    expect(textOf(open, PLAIN)).toMatch(/open pages +5 or more/);
    expect(textOf(open, PLAIN)).toMatch(/^Failed:\n/m);
    expect(lastLine(open)).toMatch(/^Not known: /);
    const user = lacking(runReport(archReport({ check: seen(false) })), "page-faults");
    expect(user.arches[0]!.check!.gaps).toMatchObject([{ source: "user", pages: null, line: 1234 }]);
  });
});

describe("a report of a recording", () => {
  test("has the tables if only switches are missing", () => {
    const report = lacking(runReport(archReport()), "switches");
    expect(fieldsOf(report)).toEqual([]);
    expect(textOf(report, PLAIN)).toContain("why no switches: how to have switches");
    expect(lastLine(report)).toBe("All checks passed.");
  });

  test("has no process count without forks, and no refused calls without mappings", () => {
    expect(lacking(runReport(archReport()), "forks").trace.processes).toBeNull();
    const { trace, arches } = lacking(runReport(archReport()), "mappings");
    expect([trace.refused, arches[0]!.refused, trace.processes]).toEqual([null, null, 121]);
  });

  test("has no linear map if it has blocks, which the key of a user table may split", () => {
    const { linearMap } = archReport();
    const [, , pages] = linearMap.leaves;
    const blocks = { ...linearMap, leaves: [{ bytes: 2 ** 30, count: 3 }, pages!] };
    const { arches } = lacking(runReport(archReport({ linearMap: blocks }), archReport()), "page-faults");
    expect(arches[0]!.linearMap).toMatchObject({
      tables: null,
      splits: null,
      leaves: [{ count: null }, { count: null }],
    });
    expect(arches[1]!.linearMap).toEqual(linearMap);
  });

  test("counts refused calls of each machine", () => {
    const report = runReport(archReport({ refused: 0 }), archReport({ arch: "x86-pks", refused: 3 }));
    const text = textOf({ ...report, trace: { ...report.trace, refused: null } }, PLAIN);
    expect(text).toMatch(/calls refused +0 +3/);
    expect(text).toMatch(/^ +x86-pks, .*: 3 system calls /m);
    expect(text).not.toMatch(/arm64-poe.*system calls/);
  });

  test("warns of a large share of unreadable lines, times that run backwards and lost events", () => {
    const { trace, ...rest } = runReport(archReport());
    const warnings = (changes: Partial<RunReport["trace"]>): number =>
      textOf({ ...rest, trace: { ...trace, ...changes } }, PLAIN).match(/^Warning:/gm)?.length ?? 0;
    expect(warnings({})).toBe(0);
    expect(warnings({ lines: 1000, unreadable: 50 })).toBe(0);
    expect(warnings({ lines: 1000, unreadable: 51 })).toBe(1);
    expect(warnings({ backwards: 1 })).toBe(1);
    expect(warnings({ lost: 1, backwards: 1, lines: 10, unreadable: 10 })).toBe(3);
  });
});
