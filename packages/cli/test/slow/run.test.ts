import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/index.js";
import { kpkeys } from "../e2e/kpkeys.js";
import { reportOf } from "../e2e/run-report.js";
import { machinesOf, packetsOf } from "../perfetto.js";

const digests = ({ arches }: RunReport): string[] => arches.map(({ digest }) => digest);

describe("kpkeys run, the whole embedded recording", () => {
  test("has the same digests with the lists reversed, and without a VmPTE file", () => {
    const once = digests(reportOf("run"));
    expect(new Set(once).size).toBe(2);
    expect(digests(reportOf("run", "--arch", "x86-pks,arm64-poe", "--policy", "batched,off,naive"))).toEqual(once);
    const alone = reportOf("run", embeddedTrace.trace, "--arch", "x86-pks");
    expect(alone.arches[0]!.linux).toBeNull();
    expect(digests(alone)).toEqual([once[1]]);
  });

  test("has the same digests with any number of workers", () => {
    const [one, two, four] = ["1", "2", "4"].map((workers) => digests(reportOf("run", "--workers", workers)));
    expect(new Set(one).size).toBe(2);
    expect(two).toEqual(one);
    expect(four).toEqual(one);
  });

  test("replays a part of the recording, and reports which", () => {
    const part = ["--arch", "x86-pks", "--policy", "batched", "--memory", "1GiB"];
    const first = reportOf("run", ...part, "--until", "1000");
    expect(first).toMatchObject({ status: 0, partial: false, trace: { events: 1000, until: { events: 1000 } } });
    expect(reportOf("run", ...part, "--until", "0.01s").trace.until).toEqual({ seconds: 0.01 });
    const sampled = reportOf("run", ...part, "--sample", "2", "--seed", "5").trace.sample;
    expect(sampled).toMatchObject({ every: 2, seed: 5 });
    expect(reportOf("run", ...part, "--sample", "2", "--seed", "5").trace.sample).toEqual(sampled);
    const { stdout } = kpkeys("run", ...part, "--until", "1000", "--sample", "1");
    expect(stdout).toMatch(
      /^gcc-hello: 1,000 events of \d+ processes, the first ones; sample: (\d+) of \1 programs, 1,000 events$/m,
    );
  });

  test("writes the timelines of all machines into one trace, with any number of workers", () => {
    const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
    try {
      const args = ["run", "--memory", "1GiB", "--trace-out", join(folder, "timeline.pftrace"), "--workers"];
      const read = ["3", "1"].map((workers) => {
        const { status } = reportOf(...args, workers);
        expect(status).toBe(0);
        return machinesOf(packetsOf(readFileSync(join(folder, "timeline.pftrace"))));
      });
      expect(read[0]).toHaveLength(6);
      const sizes = read.map((machines) => machines.map(({ tracks, events }) => [tracks.size, events.length]));
      expect(sizes[0]).toEqual(sizes[1]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("lists the documented gaps of v8 without failing", () => {
    const { status, arches } = reportOf("run", "--series", "v8,next", "--policy", "batched");
    expect(status).toBe(0);
    expect(arches.map(({ arch, series }) => `${arch} ${series}`)).toEqual([
      "arm64-poe v8",
      "arm64-poe next",
      "x86-pks v8",
      "x86-pks next",
    ]);
    for (const { series, coverage, attack } of arches) {
      const gaps = [...coverage.gaps, ...attack!.gaps];
      expect(gaps.every(({ documented }) => documented)).toBe(true);
      expect(gaps.length > 0).toBe(series === "v8");
    }
  });

  test("audits the tables during the replay without changing the digests", () => {
    const args = ["run", "--arch", "x86-pks", "--policy", "batched"];
    const plain = reportOf(...args);
    expect(plain.arches[0]!.check).toBeNull();
    for (const mode of ["sampled", "step"] as const) {
      const { status, arches } = reportOf(...args, "--memory", "1GiB", "--check", mode);
      expect(status).toBe(0);
      const { scans, open, gaps } = arches[0]!.check!;
      expect({ open, gaps }).toEqual({ open: 0, gaps: [] });
      expect(scans).toBeGreaterThanOrEqual(mode === "step" ? 4266 : 6);
    }
    expect(digests(reportOf(...args, "--check", "sampled"))).toEqual(digests(plain));
  });

  test("compares versions of the series side by side", () => {
    const { status, stdout } = kpkeys("run", "--series", "v5,v8,next", "--policy", "naive,batched");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^series +v5 +v8 +next +v5 +v8 +next$/m);
    for (const line of stdout.split("\n\n")[1]!.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("does not switch or protect on CPUs without pkeys", () => {
    const { status, arches } = reportOf("run", "--no-pkeys");
    expect(status).toBe(0);
    for (const { coverage, attack, kunit, policies } of arches) {
      expect(coverage.keyed).toBe(0);
      expect(attack!.blocked).toBe(0);
      expect(kunit).toEqual({ passed: 0, failed: 0, skipped: 5 });
      expect(Object.values(policies).map(({ registerWrites, barriers }) => registerWrites! + barriers!)).toEqual([
        0, 0, 0,
      ]);
    }
  });
});
