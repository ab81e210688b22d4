import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { Ajv } from "ajv";
import { afterAll, describe, expect, test } from "vitest";
import type { OverheadReport, RunReport, WhatIfReport } from "../../src/index.js";
import { PLAIN } from "../../src/report/style.js";
import { whatIfTextOf } from "../../src/report/what-if.js";
import { jsonOf, kpkeys } from "../e2e/kpkeys.js";

const schema = JSON.parse(readFileSync(new URL("../overhead.schema.json", import.meta.url), "utf8")) as object;
const isOverheadReport = new Ajv({ allErrors: true, strictTypes: false }).compile(schema);

/** The page of the cost model. Its examples must match the command. */
const DOCS = readFileSync(new URL("../../../../docs/overhead.md", import.meta.url), "utf8");

const directory = mkdtempSync(join(tmpdir(), "kpkeys-overhead-slow-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe("kpkeys overhead", () => {
  test("meets its goals, prints one document, and writes costs that replay reads", () => {
    const saved = join(directory, "saved.json");
    const { status, document } = jsonOf("overhead", "--save-costs", saved);
    expect(status).toBe(0);
    isOverheadReport(document);
    expect(isOverheadReport.errors).toBeNull();
    const { rows, counts } = document as OverheadReport;
    expect(rows).toHaveLength(60);
    expect(counts).toHaveLength(45);
    const { arches } = jsonOf("replay", embeddedTrace.trace, "--cost", saved, "--arch", "arm64-poe")
      .document as RunReport;
    const shipped = jsonOf("replay", embeddedTrace.trace, "--arch", "arm64-poe").document as RunReport;
    expect(arches[0]!.policies.batched!.overhead!.percent).toBeCloseTo(
      shipped.arches[0]!.policies.batched!.overhead!.percent,
      1,
    );
  });

  test("compares placements: fewer windows are cheaper and longer", () => {
    const report = jsonOf("overhead", "--what-if").document as WhatIfReport;
    const { whatIf } = report;
    for (const arch of ["arm64-poe", "x86-pks"]) {
      const of = (variant: string): WhatIfReport["whatIf"][number] =>
        whatIf.find((row) => row.arch === arch && row.variant === variant)!;
      const [setter, lazy, operation] = ["setter", "lazy MMU section", "operation"].map(of);
      expect(setter!.exposure.windows).toBeGreaterThan(lazy!.exposure.windows);
      expect(lazy!.exposure.windows).toBeGreaterThan(operation!.exposure.windows);
      expect([setter!.exposure.longest, setter!.exposure.reads]).toEqual([1, 0]);
      expect(operation!.exposure.longest).toBeGreaterThan(lazy!.exposure.longest);
      expect(operation!.exposure.exposedOperations).toBe(operation!.exposure.operations);
      expect(setter!.exposure.writes).toBe(lazy!.exposure.writes);
      expect(of("lazy, reset on exception").privilegedHandlers).toBe(0);
      expect(of("leaf tables mapped").registerWrites).toBe(0);
      // Both placements read the same entries under the locks.
      expect(of("leaf tables mapped").exposure.reads).toBe(of("page-table lock").exposure.reads);
      expect(of("leaf mapped, 8 CPUs").writers).toBe(8);
      expect(lazy!.overhead === null).toBe(arch === "x86-pks");
    }
    const [shown] = /(?<=```text\n)arm64-poe +cost[^`]*/.exec(DOCS)!;
    expect(whatIfTextOf(report, PLAIN)).toContain(shown);
  });

  test.each([[], ["--what-if"]])("rejects a recording without page faults %s", (...flags) => {
    const path = join(directory, "one.perf-script.txt");
    writeFileSync(path, " sh 7 [001] 1.000000: sched:sched_process_exec: filename=/bin/sh pid=7 old_pid=7\n");
    const { status, stdout, stderr } = kpkeys("overhead", ...flags, "--trace", path);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(`ERR_TRACE_LACKS: ${path}: `);
  });
});
