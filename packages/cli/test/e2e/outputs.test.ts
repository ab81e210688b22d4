import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, test } from "vitest";
import { BIN, kpkeys } from "./kpkeys.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-outputs-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);
const SMALL = ["--memory", "64MiB", "--arch", "x86-pks", "--policy", "batched"];

describe("an output option is rejected if it names", () => {
  const precious = file("precious");
  const trace = file("trace");
  writeFileSync(precious, "CONFIG_KUNIT=y\n");
  writeFileSync(trace, "a recording\n");

  test.each([
    ["replay", trace, "--trace-out", trace],
    ["replay", trace, "--config", precious, "--trace-out", precious],
    ["replay", trace, "--cost", precious, "--trace-out", precious],
    ["replay", trace, "--vmpte", precious, "--trace-out", precious],
    ["run", "--trace-out", embeddedTrace.trace],
    ["kunit", "--config", precious, "--junit", precious],
    ["overhead", "--trace", trace, "--save-costs", trace],
    ["overhead", "--cost", precious, "--save-costs", precious],
    ["record", "--config", precious, "-o", precious, "--", "true"],
    ["record", "--trace-out", file("new"), "-o", file("new"), "--", "true"],
  ])("an input or a second output: %s %s %s", (...args) => {
    const before = readFileSync(precious);
    const { status, stdout, stderr } = kpkeys(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^kpkeys: ERR_OUTPUT: .*\n$/);
    expect(readFileSync(precious)).toEqual(before);
  });
});

describe.skipIf(!existsSync("/dev/full"))("on a full disk", () => {
  function withFull(full: "stdout" | "stderr", ...args: string[]) {
    const descriptor = openSync("/dev/full", "w");
    try {
      const stdio = full === "stdout" ? ["ignore", descriptor, "pipe"] : ["ignore", "pipe", descriptor];
      return spawnSync(process.execPath, [BIN, ...args], { encoding: "utf8", stdio } as never) as {
        status: number | null;
        stderr: string | null;
      };
    } finally {
      closeSync(descriptor);
    }
  }

  test.each([["kunit", ...SMALL], ["kunit", ...SMALL, "--json"], ["--help"]])("stdout is ERR_OUTPUT: %s", (...args) => {
    const { status, stderr } = withFull("stdout", ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^kpkeys: ERR_OUTPUT: stdout: .*\n$/);
  });

  test("stderr leaves the exit status as it is", () => {
    expect(withFull("stderr", "frob").status).toBe(2);
    expect(withFull("stderr", "kunit", ...SMALL).status).toBe(0);
  });
});

test.skipIf(process.platform === "win32")("a command that a signal ends leaves no partial output", async () => {
  const out = mkdtempSync(join(folder, "signal-"));
  const long = file("long.gz");
  writeFileSync(long, Buffer.concat(Array.from({ length: 500 }, () => readFileSync(embeddedTrace.trace))));
  const child = spawn(process.execPath, [BIN, "replay", long, ...SMALL, "--trace-out", join(out, "timeline")]);
  while (readdirSync(out).length === 0 && child.exitCode === null) await sleep(5);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  expect(readdirSync(out)).toEqual([]);
});
