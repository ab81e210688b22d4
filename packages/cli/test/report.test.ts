import { describe, expect, test } from "vitest";
import type { ArchReport } from "@kpkeys/workloads/report";
import { toPfn } from "@kpkeys/core/contracts";
import { attackTextOf } from "../src/report/attack.js";
import { PLAIN } from "../src/report/style.js";
import { textOf } from "../src/report/text.js";
import { failuresOf } from "../src/report/verdict.js";
import { NEXT_LABEL, seriesTitle } from "@kpkeys/scenarios";
import { archReport, gaps, runReport, seen } from "./fixture.js";

const both = [archReport(), archReport({ arch: "x86-pks" })];

/** The numbers of a row of the text, all columns. */
function numbersOf(text: string, label: string): number[] {
  const row = text.split("\n").find((line) => line.trim().startsWith(label))!;
  return [
    ...row
      .trim()
      .slice(label.length)
      .matchAll(/\d[\d,]*/g),
  ].map(([digits]) => Number(digits.replaceAll(",", "")));
}

describe("the text", () => {
  test("of two architectures fits into 100 columns, without colours and trailing blanks", () => {
    const text = textOf(runReport(...both), PLAIN);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
    expect(text).not.toMatch(/ $/m);
  });

  test("has the numbers of the document, each in its column", () => {
    const text = textOf(runReport(...both), PLAIN);
    expect(text).toMatch(/^lua-build: 176,996 events of 121 processes\n/);
    const twice = (...numbers: number[]): number[] => [...numbers, ...numbers];
    expect(numbersOf(text, "static")).toEqual(twice(10, 9, 1));
    expect(numbersOf(text, "pte")).toEqual(twice(2064, 2064, 0));
    expect(numbersOf(text, "all")).toEqual(twice(2065, 2064, 1));
    expect(numbersOf(text, "attacks blocked")).toEqual(twice(6219, 6219));
    expect(numbersOf(text, "KUnit")).toEqual(twice(5, 0, 0));
    expect(numbersOf(text, "register writes")).toEqual(twice(0, 931_860, 573_664));
    expect(numbersOf(text, "TLB invalidations")).toEqual(twice(15_415, 15_415, 15_415));
    expect(numbersOf(text, "processes that agree")).toEqual(twice(113, 113));
    expect(numbersOf(text, "mappings inferred")).toEqual(twice(26_323));
    expect(text).toContain("12,345 sched:sched_wakeup");
  });

  test("omits sources without pages and states which checks were not run", () => {
    const text = textOf(runReport(archReport({ kunit: null, attack: null, linux: null })), PLAIN);
    expect(text).not.toContain("unknown");
    expect(text).toMatch(/attacks blocked +not run/);
    expect(text).toMatch(/KUnit +not run/);
    expect(text).toMatch(/processes that agree +not compared/);
  });

  test("has the sources in the order of the document, for every architecture with pages of them", () => {
    const { coverage } = archReport();
    const pages = { pages: 64, keyed: 64, readOnly: 0 };
    const withPagesOf = (source: string): ArchReport =>
      archReport({ coverage: { ...coverage, bySource: { ...coverage.bySource, [source]: pages } } });
    const text = textOf(runReport(withPagesOf("user"), withPagesOf("vmemmap")), PLAIN);
    expect(text.match(/^ {2}(static|early|vmemmap|kernel|user) /gm)).toEqual(
      ["static", "early", "vmemmap", "user"].map((source) => `  ${source} `),
    );
  });

  test("has versions of the series side by side, in as few tables as the width allows", () => {
    const versions = ["v3", "v4", "v5", "v6", "v7", "v8", "v9", "next"];
    const arches = ["arm64-poe", "x86-pks"].flatMap((arch) => versions.map((series) => archReport({ arch, series })));
    for (const [series, tables] of [
      [3, 1],
      [4, 2],
      [7, 2],
      [8, 4],
    ] as const) {
      const chosen = arches.filter((column) => versions.slice(0, series).includes(column.series));
      const text = textOf(runReport(...chosen), PLAIN);
      expect(text.match(/^series( +\S+)+$/gm)).toHaveLength(tables);
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
      expect(text).not.toMatch(/ $/m);
    }
    expect(textOf(runReport(...arches), PLAIN, 60).match(/^series( +\S+)+$/gm)).toHaveLength(6);
  });

  test("of several versions has the numbers of the document, a column for each version", () => {
    const text = textOf(runReport(archReport({ series: "v5" }), archReport({ series: "next", ...gaps(false) })), PLAIN);
    expect(numbersOf(text, "all")).toEqual([2065, 2065]);
    expect(numbersOf(text, "keyed")).toEqual([2064, 2059]);
    expect(text).toMatch(/^ {2}open +none +5$/m);
    expect(numbersOf(text, "blocked")).toEqual([6219, 6204]);
    expect(numbersOf(text, "agree ")).toEqual([113, 113]);
    expect(text).toMatch(
      /^register writes\n {2}off +0 +0\n {2}naive +931,860 +931,860\n {2}batched +573,664 +573,664$/m,
    );
  });

  test("has the cost of boot of each policy after that of the replay, also of several versions", () => {
    const text = textOf(runReport(...both), PLAIN);
    const boot = text.slice(text.indexOf("cost of boot"), text.indexOf("agreement"));
    expect(numbersOf(boot, "register writes")).toEqual([0, 465_930, 286_832, 0, 465_930, 286_832]);
    expect(numbersOf(boot, "table writes")).toEqual(Array(6).fill(4178));
    expect(numbersOf(boot, "TLB invalidations")).toEqual(Array(6).fill(33));
    const versions = textOf(runReport(archReport({ series: "v5" }), archReport({ series: "next" })), PLAIN);
    expect(versions).toMatch(/^cost of boot\n[^]*^ {2}register writes\n {4}off +0 +0\n {4}naive +465,930 +465,930$/m);
  });

  test("prints a gap of several versions once, with their names", () => {
    const text = textOf(
      runReport(archReport({ series: "v5", ...gaps(true) }), archReport({ series: "v8", ...gaps(true) })),
      PLAIN,
    );
    expect(text.match(/static pte by another mapping/g)).toHaveLength(1);
    expect(text).toContain("arm64-poe v5 v8: static pte");
  });

  test("prints the line, the address and the table page of a gap that was seen during the replay", () => {
    const text = textOf(runReport(archReport({ check: seen(false) })), PLAIN);
    expect(text).toMatch(/user pte .* ffff000012345000: .* line 1,234 .* 0x92345$/m);
    expect(text).toMatch(/open during the replay +yes in 9 scans/);
  });

  test("states that it is partial, which machines did not start, and the events of each policy", () => {
    const whole = runReport(...both);
    expect(textOf(whole, PLAIN)).not.toMatch(/Partial|events replayed/);
    const [arm64, x86] = both;
    const { batched } = x86!.policies;
    const begun = { ...x86!, policies: { batched: { ...batched!, events: 1234 } } };
    const notRun = [{ arch: "x86-pks", series: "next", policy: "naive" }] as const;
    const text = textOf({ ...whole, arches: [arm64!, begun], partial: true, notRun }, PLAIN);
    expect(text).toMatch(/^Partial: .* x86-pks naive, series next /m);
    expect(numbersOf(text, "events replayed")).toEqual([176_996, 176_996, 176_996, 1234]);
  });

  test("has the speed of the simulator in a separate line, outside the cost of the replay", () => {
    const report = runReport(...both);
    const text = textOf(report, PLAIN);
    expect(text).toMatch(/^Speed of the simulator: 100,519 events per second\.$/m);
    expect(text.match(/100,519/g)).toHaveLength(1);
  });

  test("labels next, and no other version, as a proposal", () => {
    expect(textOf(runReport(...both), PLAIN)).toContain(`Series ${seriesTitle("next")}\n`);
    const several = textOf(runReport(archReport({ series: "v8" }), archReport()), PLAIN);
    expect(several).toContain(`Series v8, ${seriesTitle("next")}\n`);
    expect(textOf(runReport(archReport({ series: "v9" })), PLAIN)).not.toContain(NEXT_LABEL);
  });

  test("lists documented and undocumented gaps separately", () => {
    const line = "static pte by another mapping, first at ffff8000807f7000: 5 pages open, 15 stores through";
    const documented = textOf(runReport(archReport({ series: "v8", ...gaps(true) })), PLAIN);
    expect(documented).toContain(`Open, documented by the series:\n  arm64-poe v8: ${line}`);
    expect(documented).toContain("All checks passed (documented gaps excluded).");
    const hole = textOf(runReport(archReport(gaps(false))), PLAIN);
    expect(hole).toContain(`\nOpen:\n  arm64-poe next (our proposal, not posted): ${line}`);
    expect(hole).toMatch(/^Failed:\n/m);
  });

  test("lists each process that differs from Linux once for all architectures with the same difference", () => {
    const difference = (model: number): object => ({
      linux: { processes: 2, equal: 1, differences: [{ pid: 7, name: "cc1", model, kernel: 30, why: "why not" }] },
    });
    const same = textOf(
      runReport(archReport(difference(39)), archReport({ arch: "x86-pks", ...difference(39) })),
      PLAIN,
    );
    expect(same.match(/7 cc1: 39, Linux 30: why not$/gm)).toHaveLength(1);
    const apart = textOf(
      runReport(archReport(difference(39)), archReport({ arch: "x86-pks", ...difference(38) })),
      PLAIN,
    );
    expect(apart).toContain("7 cc1: 39, Linux 30: why not; on arm64-poe next (our proposal, not posted)");
    expect(apart).toContain("7 cc1: 38, Linux 30: why not; on x86-pks next (our proposal, not posted)");
  });

  test("reports no protection and no gaps on CPUs without pkeys", () => {
    const text = textOf(runReport(archReport({ pkeys: false, ...gaps(false) })), PLAIN);
    expect(text).toContain("no kernel pkeys");
    expect(text).not.toContain("Open:");
  });
});

describe("a machine fails", () => {
  const kunit = { passed: 4, failed: 1, skipped: 0 };
  test.each([
    ["never if everything is protected", archReport(), 0],
    ["for an open page and a store that was not blocked", archReport(gaps(false)), 2],
    ["not for a documented gap", archReport(gaps(true)), 0],
    ["for a KUnit case", archReport({ kunit }), 1],
    ["for a page that was open during the replay", archReport({ check: seen(false) }), 1],
    ["not for a documented gap during the replay", archReport({ check: seen(true) }), 0],
    ["not for a difference from Linux", archReport({ linux: { processes: 1, equal: 0, differences: [] } }), 0],
    ["never with the hardening off", archReport({ checked: "off", kunit, ...gaps(false) }), 0],
    ["never on CPUs without pkeys", archReport({ pkeys: false, kunit, ...gaps(false) }), 0],
  ])("%s", (_, arch, failures) => {
    expect(failuresOf(arch)).toHaveLength(failures);
  });
});

describe("secrets, whose reads are withheld", () => {
  const counts = { tried: 6225, blocked: 6222, loads: { tried: 3, blocked: 0 } };
  const secret = { source: "secret", level: "object", mapping: "linear", address: "ffff000000005040" } as const;
  /** The report of a machine with a secret that is open for reads. */
  function withSecret(documented = false): ArchReport {
    const { coverage, attack } = archReport();
    return archReport({
      coverage: {
        ...coverage,
        objects: { secret: { objects: 1, keyed: 0, readOnly: 0 } },
        gaps: [{ ...secret, open: "read", pages: 1, table: toPfn(5), documented }],
      },
      attack: { ...attack!, ...counts, gaps: [{ ...secret, stores: 0, loads: 3, documented }] },
    });
  }

  test("have a row of loads, which reports without secrets do not have", () => {
    expect(numbersOf(textOf(runReport(withSecret()), PLAIN), "of which loads")).toEqual([0, 3]);
    expect(textOf(runReport(archReport()), PLAIN)).not.toContain("of which loads");
    const compared = textOf(runReport(withSecret(), archReport({ series: "v8" })), PLAIN);
    expect(numbersOf(compared, "loads blocked")).toEqual([0, 0]);
  });

  test("that are open are listed with their loads, and fail the run as read, not as written", () => {
    const text = textOf(runReport(withSecret()), PLAIN);
    expect(text).toContain("first at ffff000000005040: 1 object open for reads, 3 loads through");
    expect(failuresOf(withSecret())).toEqual([
      expect.stringContaining("protected objects can be read without their key"),
      expect.stringContaining("attacks were not blocked"),
    ]);
    expect(failuresOf(withSecret(true))).toEqual([]);
  });

  test("have a row of loads in the report of attacks", () => {
    const machine = { ...counts, arch: "x86-pks", series: "next", policy: "batched", pkeys: true } as const;
    const bySource = { secret: { tried: 6, blocked: 3 } };
    const text = attackTextOf({ arches: [{ ...machine, bySource, readOnly: 0, gaps: [] }] }, PLAIN);
    expect(numbersOf(text, "of which loads")).toEqual([3, 0, 3]);
  });
});
