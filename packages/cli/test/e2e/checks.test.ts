import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { AttacksReport, KunitReport } from "../../src/index.js";
import { BIN, jsonOf, kpkeys, LONG } from "./kpkeys.js";

describe("kpkeys kunit", () => {
  test("prints the five cases of each architecture as one KTAP document", { timeout: LONG }, () => {
    const { status, stdout, stderr } = kpkeys("kunit");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^KTAP version 1\n1\.\.2\n/);
    expect(stdout.match(/^ {8}ok \d write_\w+$/gm)).toHaveLength(10);
    expect(stdout).not.toContain("not ok");
  });

  test("fails on machines without the hardening, and says what was not prevented", { timeout: LONG }, () => {
    const { status, document } = jsonOf("kunit", "--policy", "off");
    expect(status).toBe(1);
    for (const { failed, suites } of (document as KunitReport).arches) {
      expect(failed).toBe(5);
      for (const { messages } of suites[0]!.cases) expect(messages.join()).toMatch(/Direct \w+ write wasn't prevented/);
    }
  });

  test("skips all on CPUs without pkeys with the kernel's words", { timeout: LONG }, () => {
    const { status, stdout } = kpkeys("kunit", "--no-pkeys", "--arch", "arm64-poe");
    expect(status).toBe(0);
    expect(stdout.match(/ok \d write_\w+ # SKIP kpkeys are not supported$/gm)).toHaveLength(5);
  });
});

describe("kpkeys attack", () => {
  test("is blocked everywhere with the hardening and nowhere without, as often tried", { timeout: LONG }, () => {
    const { status, document } = jsonOf("attack", "--policy", "off,batched");
    expect(status).toBe(0);
    for (const arch of ["arm64-poe", "x86-pks"]) {
      const [off, batched] = (document as AttacksReport).arches.filter((machine) => machine.arch === arch);
      expect([off!.policy, batched!.policy]).toEqual(["off", "batched"]);
      expect(off).toMatchObject({ tried: batched!.tried, blocked: 0 });
      expect(batched).toMatchObject({ blocked: batched!.tried, gaps: [] });
    }
  });

  test("tells by source what went through", { timeout: LONG }, () => {
    const { status, stdout } = kpkeys("attack", "--series", "v7", "--arch", "arm64-poe");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}static +54 +27 +27$/m);
    expect(stdout).toContain("Open, as the series documents:\n  arm64-poe v7: static ");
  });
});

test("a reader that has seen enough is no error", { timeout: LONG }, async () => {
  const child = spawn(process.execPath, [BIN, "run", "--json", "--arch", "x86-pks", "--policy", "off"]);
  child.stdout.destroy();
  let told = "";
  child.stderr.on("data", (data: Buffer) => (told += data.toString()));
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect({ status, told }).toEqual({ status: 0, told: "" });
});
