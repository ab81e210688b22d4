import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandNames, examplesIn } from "../e2e/help.js";
import { BIN, kpkeys } from "../e2e/kpkeys.js";

/** A folder with the files of the examples. */
const folder = mkdtempSync(join(tmpdir(), "kpkeys-examples-"));
const inRoot = (path: string): string => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

beforeAll(() => {
  copyFileSync(embeddedTrace.trace, join(folder, "build.txt"));
  copyFileSync(embeddedTrace.vmpte, join(folder, "build.vmpte.txt"));
  const ktap = kpkeys("kunit").stdout;
  const oops = readFileSync(inRoot("docs/oops-rfc-v6.txt"), "utf8");
  writeFileSync(join(folder, "console.log"), ktap);
  writeFileSync(join(folder, "oops.txt"), oops);
  writeFileSync(join(folder, "kernel.log"), ktap + oops);
  writeFileSync(join(folder, "Makefile"), "all:\n\ttrue\n");
  copyFileSync(inRoot("packages/arch-arm64-poe/testdata/vectors.jsonl.gz"), join(folder, "vectors.jsonl.gz"));
  symlinkSync(inRoot("packages/cred-hardening"), join(folder, "my-feature"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Shell functions for the command and for dmesg. */
const SHELL = `kpkeys() { "${process.execPath}" "${BIN}" "$@"; }\ndmesg() { cat kernel.log; }\n`;

describe.each(["", ...commandNames()])("kpkeys %s", (name) => {
  test.each(name === "" ? examplesIn("--help") : examplesIn(name, "--help"))("%s", (example) => {
    const { status, stderr } = spawnSync("bash", ["-c", SHELL + example], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    // Without perf, or without permission to record, the command prints how to record.
    const cannotRecord = example.startsWith("kpkeys record") && stderr.includes("ERR_RECORD");
    expect([cannotRecord ? 0 : status, status === 0 || cannotRecord ? "" : stderr]).toEqual([0, ""]);
  });
});
