import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { describe, expect, test } from "vitest";
import { machinesOf, packetsOf } from "../perfetto.js";
import { kpkeys } from "./kpkeys.js";
import { reportOf } from "./run-report.js";

describe("kpkeys run", () => {
  test("replays the bundled recording on both architectures, with everything protected", () => {
    const { status, trace, arches } = reportOf("run");
    expect(status).toBe(0);
    expect(trace).toEqual({
      name: "gcc-hello",
      events: 4264,
      form: "tracepoints",
      limits: [],
      lacks: [],
      lines: 4264,
      eventLines: 4264,
      comments: 0,
      blanks: 0,
      unused: {},
      unreadable: 0,
      backwards: 0,
      processes: 5,
      lost: 0,
      refused: 0,
      until: null,
      sample: null,
    });
    expect(arches.map(({ arch }) => arch)).toEqual(["arm64-poe", "x86-pks"]);
    for (const { coverage, attack, kunit, policies, linux } of arches) {
      expect(coverage.keyed! + coverage.readOnly!).toBe(coverage.pages);
      expect(coverage.gaps).toEqual([]);
      expect(attack!.blocked).toBe(attack!.tried);
      expect(kunit).toEqual({ passed: 5, failed: 0, skipped: 0 });
      const { off, naive, batched } = policies;
      expect(off!.registerWrites).toBe(0);
      expect(off!.boot.registerWrites).toBeLessThan(batched!.boot.registerWrites);
      expect(batched!.boot.registerWrites).toBeLessThan(naive!.boot.registerWrites);
      expect(batched!.registerWrites).toBeGreaterThan(0);
      expect(batched!.registerWrites).toBeLessThanOrEqual(naive!.registerWrites!);
      for (const { tableWrites, writesBySetter } of [off!, naive!, batched!]) {
        expect(Object.values(writesBySetter).reduce((sum, writes) => sum! + writes!, 0)).toBe(tableWrites);
        expect(writesBySetter.set_pte).toBeGreaterThan(0);
      }
      expect(linux!.processes).toBeGreaterThan(0);
    }
    const [arm64, x86] = arches.map(({ policies }) => policies.naive!);
    expect(arm64!.barriers).toBeGreaterThan(0);
    expect(x86!.barriers).toBe(0);
  });

  test("has no cost and no coverage for a recording without page faults", () => {
    const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
    try {
      const text = gunzipSync(readFileSync(embeddedTrace.trace)).toString("latin1");
      const path = join(folder, "no-faults.perf-script.txt");
      writeFileSync(path, text.replaceAll(/^.*page_fault_.*\n/gm, ""));
      const args = ["run", path, "--vmpte", embeddedTrace.vmpte, "--memory", "256MiB", "--policy", "batched"];
      const { status, trace, notKnown, arches } = reportOf(...args);
      expect(status).toBe(0);
      expect(trace.lacks.map(({ kind }) => kind)).toEqual(["page-faults"]);
      expect(notKnown.length).toBeGreaterThan(10);
      for (const { coverage, attack, policies, kunit, linux, unexplainedFaults } of arches) {
        expect([coverage.pages, attack!.tried, linux, unexplainedFaults]).toEqual([null, null, null, null]);
        expect(policies.batched).toMatchObject({ tableWrites: null, registerWrites: null, overhead: null });
        expect(kunit).toEqual({ passed: 5, failed: 0, skipped: 0 });
      }
      const { stdout } = kpkeys(...args);
      expect(stdout.trimEnd().split("\n").at(-1)).not.toMatch(/passed/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("combines versions, a part, a check, a timeline and workers", () => {
    const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
    try {
      const timeline = join(folder, "timeline.pftrace");
      const part = ["--policy", "batched", "--memory", "256MiB", "--until", "300", "--check", "step"];
      const { status, partial, trace, arches } = reportOf(
        ...["run", "--series", "v8,next", ...part, "--workers", "2", "--trace-out", timeline],
      );
      expect({ status, partial, events: trace.events }).toEqual({ status: 0, partial: false, events: 300 });
      expect(arches.map(({ arch, series, check }) => [arch, series, check!.scans, check!.open! > 0])).toEqual([
        ["arm64-poe", "v8", 302, true],
        ["arm64-poe", "next", 302, false],
        ["x86-pks", "v8", 302, true],
        ["x86-pks", "next", 302, false],
      ]);
      expect(machinesOf(packetsOf(readFileSync(timeline)))).toHaveLength(4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("prints plain text without a terminal, and nothing on stderr", () => {
    const { status, stdout, stderr } = kpkeys("run", "--arch", "x86-pks", "--policy", "batched");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(stdout.split("\n").at(-2)).toBe("All checks passed.");
  });
});

test("kpkeys replay prints the same document without KUnit and attacks", () => {
  const { status, arches } = reportOf(
    "replay",
    embeddedTrace.trace,
    "--vmpte",
    embeddedTrace.vmpte,
    "--policy",
    "batched",
  );
  expect(status).toBe(0);
  for (const { kunit, attack, coverage, linux } of arches) {
    expect([kunit, attack]).toEqual([null, null]);
    expect(coverage.pages).toBeGreaterThan(0);
    expect(linux!.processes).toBeGreaterThan(0);
  }
});
