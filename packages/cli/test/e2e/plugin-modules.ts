import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { kpkeys } from "./kpkeys.js";

/** A long time limit, for loaded machines. */
export const PATIENT = ["--timeout", "500"];

/** Writes a module to a new file. */
export function moduleOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-plugin-")), "plugin.mjs");
  writeFileSync(path, text);
  return path;
}

/** Asserts status 2, the code on stderr without a stack, and a JSON document with the error. */
export function expectPluginRejection(args: readonly string[], code: string): void {
  const { status, stdout, stderr } = kpkeys("check-plugin", ...args, "--json");
  expect({ status, ...(JSON.parse(stdout) as object) }).toMatchObject({ status: 2, plugins: [], error: { code } });
  expect(stderr).toMatch(new RegExp(`(^|\\n)kpkeys: ${code}: .*; expected .*\\n$`));
  expect(stderr).not.toContain("    at ");
}
