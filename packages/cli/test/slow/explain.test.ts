import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { ExplainReport } from "../../src/index.js";
import { jsonOf } from "../e2e/kpkeys.js";

const CASES = fileURLToPath(new URL("../../../../../shared/cases/", import.meta.url));

test("kpkeys explain agrees with every shared case: logs, and files of command lines", ({ skip }) => {
  if (!existsSync(CASES)) skip(`${CASES} does not exist`);
  const names = readdirSync(CASES).filter((name) => /^(3\d|77)-/.test(name));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const lines = readFileSync(CASES + name, "utf8")
      .split("\n")
      .flatMap((line) => (line.startsWith("explain ") ? [line.replace(/#.*/, "").trim().split(/\s+/)] : []));
    for (const args of lines.length > 0 ? lines : [["explain", CASES + name]]) {
      const { document } = jsonOf(...args);
      expect([name, (document as ExplainReport).verdict.agrees]).toEqual([name, true]);
    }
  }
});
