import { expect } from "vitest";
import { kpkeys } from "./kpkeys.js";

/** Asserts status 2, nothing on stdout, and one line on stderr with the code and the texts. */
export function expectRejection(args: readonly string[], code: string, ...texts: readonly string[]): void {
  const { status, stdout, stderr } = kpkeys(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toMatch(new RegExp(`^kpkeys: ${code}: [^\n]+\n$`));
  for (const text of texts) expect(stderr).toContain(text);
}
