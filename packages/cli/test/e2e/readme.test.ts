import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { kpkeys } from "./kpkeys.js";

/** The one line that tells of the machine that it was made on. */
const MEASURED = /^Speed of the simulator: .*$/m;

test("the README shows the report that the main job prints", () => {
  const readme = readFileSync(new URL("../../../../README.md", import.meta.url), "utf8");
  const shown = /```text\n([\s\S]*?)```/.exec(readme)![1]!;
  const { stdout, status } = kpkeys("run");
  expect(status).toBe(0);
  const told = (report: string): string => report.replace(MEASURED, "").replace(/ +$/gm, "").trim();
  expect(told(shown)).toBe(told(stdout));
});
