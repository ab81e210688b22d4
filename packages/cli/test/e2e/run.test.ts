import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { embeddedTrace } from "@kpkeys/workloads";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/index.js";
import { machinesOf, packetsOf } from "../perfetto.js";
import { jsonOf, kpkeys, LONG } from "./kpkeys.js";

const schema = JSON.parse(readFileSync(new URL("../run.schema.json", import.meta.url), "utf8")) as object;
const isRunReport = new Ajv({ allErrors: true, strictTypes: false }).compile(schema);

/** The document of a command, held to the schema. */
function reportOf(...args: string[]): RunReport & { readonly status: number | null } {
  const { status, document } = jsonOf(...args);
  isRunReport(document);
  expect(isRunReport.errors).toBeNull();
  return { ...(document as RunReport), status };
}

const digests = ({ arches }: RunReport): string[] => arches.map(({ digest }) => digest);

describe("kpkeys run", () => {
  test("replays the embedded recording on both architectures, everything protected", { timeout: LONG }, () => {
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

  test("knows no cost and no coverage of the recording without its page faults", { timeout: LONG }, () => {
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

  test("comes to the same digests with the lists turned round, and without Linux's account", { timeout: LONG }, () => {
    const once = digests(reportOf("run"));
    expect(new Set(once).size).toBe(2);
    expect(digests(reportOf("run", "--arch", "x86-pks,arm64-poe", "--policy", "batched,off,naive"))).toEqual(once);
    const alone = reportOf("run", embeddedTrace.trace, "--arch", "x86-pks");
    expect(alone.arches[0]!.linux).toBeNull();
    expect(digests(alone)).toEqual([once[1]]);
  });

  test("comes to the same digests on any number of workers", { timeout: LONG }, () => {
    const [one, two, four] = ["1", "2", "4"].map((workers) => digests(reportOf("run", "--workers", workers)));
    expect(new Set(one).size).toBe(2);
    expect(two).toEqual(one);
    expect(four).toEqual(one);
  });

  test("replays a part of the recording, and says which", { timeout: LONG }, () => {
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

  test("writes the timelines of all machines into one trace, however many write at once", { timeout: LONG }, () => {
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

  test("prints plain text where there is no terminal, and nothing on stderr", { timeout: LONG }, () => {
    const { status, stdout, stderr } = kpkeys("run", "--arch", "x86-pks", "--policy", "batched");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(stdout.split("\n").at(-2)).toBe("Every check passed.");
  });

  test("lists the documented gaps of v8 and does not fail for them", { timeout: LONG }, () => {
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

  test("looks at the tables while it runs, and comes to the same end", { timeout: LONG }, () => {
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

  test("compares versions of the series side by side", { timeout: LONG }, () => {
    const { status, stdout } = kpkeys("run", "--series", "v5,v8,next", "--policy", "naive,batched");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^series +v5 +v8 +next +v5 +v8 +next$/m);
    for (const line of stdout.split("\n\n")[1]!.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("switches and protects nothing on CPUs without pkeys", { timeout: LONG }, () => {
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

test("kpkeys replay gives the same document without KUnit and attack", { timeout: LONG }, () => {
  const { status, arches } = reportOf("replay", embeddedTrace.trace, "--vmpte", embeddedTrace.vmpte);
  expect(status).toBe(0);
  for (const { kunit, attack, coverage, linux } of arches) {
    expect([kunit, attack]).toEqual([null, null]);
    expect(coverage.pages).toBeGreaterThan(0);
    expect(linux!.processes).toBeGreaterThan(0);
  }
});
