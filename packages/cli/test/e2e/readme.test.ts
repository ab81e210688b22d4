import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kpkeys } from "./kpkeys.js";

/** The only line that depends on the computer. */
const MEASURED = /^Speed of the simulator: .*$/m;

test("the README has the report of the main job", () => {
  const readme = readFileSync(new URL("../../../../README.md", import.meta.url), "utf8");
  const shown = /```text\n([\s\S]*?)```/.exec(readme)![1]!;
  const { stdout, status } = kpkeys("run");
  expect(status).toBe(0);
  const normalised = (report: string): string => report.replace(MEASURED, "").replace(/ +$/gm, "").trim();
  expect(normalised(shown)).toBe(normalised(stdout));
});
