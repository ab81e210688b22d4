import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, test } from "vitest";
import type { CostFile, RunReport } from "../../src/index.js";
import { jsonOf, kpkeys } from "./kpkeys.js";
import { expectRejection } from "./rejection.js";

/** The page of the cost model. Its examples must match the command. */
const DOCS = readFileSync(new URL("../../../../docs/overhead.md", import.meta.url), "utf8");

const directory = mkdtempSync(join(tmpdir(), "kpkeys-overhead-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function written(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const costs: CostFile = {
  arch: "x86-pks",
  basis: "guessed for a test",
  unit: "ns",
  costs: { synchronisedWrite: 100, elidedWrite: 100, setMemoryPkey: 1000, userFault: 5000 },
};

describe("kpkeys replay estimates the system time added", () => {
  const reportWith = (...args: string[]): RunReport =>
    jsonOf("replay", embeddedTrace.trace, "--memory", "256MiB", ...args).document as RunReport;

  test("on arm64 from RFC v5's table, and not on x86", () => {
    const { arches } = reportWith();
    const [arm64, x86] = arches.map(({ policies }) => policies);
    expect(arm64!.off!.overhead).toBeNull();
    expect(arm64!.naive!.overhead!.percent).toBeGreaterThan(arm64!.batched!.overhead!.percent);
    expect(arm64!.batched!.overhead!.basis).toBe("estimated, calibrated on RFC v5's mock measurements");
    expect([x86!.naive!.overhead, x86!.naive!.wrmsrCycles]).toEqual([null, null]);
  });

  test("on x86 as cycles of WRMSR that the user states", () => {
    const { arches } = reportWith("--wrmsr-cycles", "250", "--policy", "batched");
    const [arm64, x86] = arches.map(({ policies }) => policies.batched!);
    expect(arm64!.wrmsrCycles).toBeNull();
    expect(x86!.wrmsrCycles).toBe(250 * x86!.registerWrites!);
  });

  test("with the unit costs of the user, and prints their basis", () => {
    const file = written("own.json", JSON.stringify(costs));
    const { arches } = reportWith("--cost", file, "--policy", "batched");
    const [arm64, x86] = arches.map(({ policies }) => policies.batched!.overhead);
    expect(arm64).toBeNull();
    expect(x86!.basis).toBe("guessed for a test");
    expect(x86!.low).toBe(x86!.high);
    const { stdout } = kpkeys(
      "replay",
      embeddedTrace.trace,
      "--memory",
      "256MiB",
      "--cost",
      file,
      "--policy",
      "batched",
    );
    expect(stdout).toContain("System time added on x86-pks: guessed for a test.");
  });

  test("reads the unit costs of the documentation", () => {
    const file = written("shown.json", /(?<=```json\n)[^`]*/.exec(DOCS)![0]);
    const { arches } = reportWith("--cost", file, "--policy", "batched", "--arch", "arm64-poe");
    expect(arches[0]!.policies.batched!.overhead!.basis).toBe("measured on our board in May");
  });

  test.each([
    ["missing.json", undefined, "ERR_INPUT_MISSING", ""],
    ["none.json", "{", "ERR_COST_FILE", ""],
    ["arch.json", JSON.stringify({ ...costs, arch: "riscv" }), "ERR_COST_FILE", "arch"],
    [
      "negative.json",
      JSON.stringify({ ...costs, costs: { ...costs.costs, userFault: -1 } }),
      "ERR_COST_FILE",
      "costs.userFault",
    ],
    ["unknown.json", JSON.stringify({ ...costs, discount: 1 }), "ERR_COST_FILE", "discount"],
    ["empty.json", JSON.stringify({ ...costs, samples: [] }), "ERR_COST_FILE", "samples"],
  ])("rejects %s in one line", (name, text, code, field) => {
    const path = text === undefined ? join(directory, name) : written(name, text);
    expectRejection(["replay", embeddedTrace.trace, "--cost", path], code, path, field);
  });
});
