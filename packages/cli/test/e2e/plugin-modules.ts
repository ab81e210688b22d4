import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { kpkeys } from "./kpkeys.js";

/** For machines that do other things too. */
export const PATIENT = ["--timeout", "500"];

/** A module of its own in a file. */
export function moduleOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-plugin-")), "plugin.mjs");
  writeFileSync(path, text);
  return path;
}

/** Status 2, the code on stderr without a stack, and a document all the same. */
export function refused(args: readonly string[], code: string): void {
  const { status, stdout, stderr } = kpkeys("check-plugin", ...args, "--json");
  expect({ status, ...(JSON.parse(stdout) as object) }).toMatchObject({ status: 2, plugins: [], error: { code } });
  expect(stderr).toMatch(new RegExp(`(^|\\n)kpkeys: ${code}: .*; expected .*\\n$`));
  expect(stderr).not.toContain("    at ");
}
