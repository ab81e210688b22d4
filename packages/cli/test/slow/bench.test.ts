import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { findInstructionCounter } from "../../src/bench/instructions.js";
import type { BenchReport } from "../../src/index.js";
import { jsonOf, kpkeysWith } from "../e2e/kpkeys.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-bench-test-"));
const earlier = join(folder, "earlier.json");
afterAll(() => {
  rmSync(folder, { recursive: true });
});

// On a noisy machine instructions are counted, which may take valgrind a minute a figure.
describe("kpkeys bench", () => {
  test("gives each figure with its ratio to C, and fails when one is slower than it was", () => {
    const before = { name: "tlb-hit-store", arch: "arm64-poe", nsPerOperation: 1e-6, ratioToC: null, spread: 0 };
    writeFileSync(earlier, JSON.stringify({ figures: [before] }));
    const args = ["bench", "tlb-hit-store", "rejected-bigint-entries", "--arch", "arm64-poe", "--against", earlier];
    const { status, document } = jsonOf(...args);
    expect(status).toBe(1);
    const { figures, regressions, rounds, withoutC } = document as BenchReport;
    expect(figures.map(({ name, arch }) => [name, arch])).toEqual([
      ["tlb-hit-store", "arm64-poe"],
      ["sketch-two-tag-arrays", null],
      ["rejected-bigint-entries", null],
    ]);
    expect(rounds).toBeGreaterThanOrEqual(7);
    for (const { nsPerOperation, operationsPerSecond } of figures) {
      expect(nsPerOperation * operationsPerSecond).toBeCloseTo(1e9, -3);
    }
    if (withoutC === null) expect(figures[0]!.ratioToC).toBeGreaterThan(0);
    expect(figures[2]).toMatchObject({ baseline: "sketch-two-tag-arrays", ratioToC: null });
    expect(regressions).toMatchObject([{ name: "tlb-hit-store", arch: "arm64-poe" }]);
  });

  test("says that there are no ratios without a C compiler", () => {
    const { status, stdout } = kpkeysWith({ PATH: join(folder, "nothing") }, ["bench", "rejected-map-tlb", "--json"]);
    expect(status).toBe(0);
    const { withoutC, figures } = JSON.parse(stdout) as BenchReport;
    expect(withoutC).toContain("cc");
    expect(figures.every(({ ratioToC, instructions }) => ratioToC === null && instructions === null)).toBe(true);
  });

  test("counts about as many instructions again, and more for more work", async ({ skip }) => {
    const counter = await findInstructionCounter();
    if (counter === undefined) return skip("neither perf nor valgrind counts here");
    const loop = (times: number): string[] => ["-e", `let x = 1; for (let i = 0; i < ${times}; i++) x = (x * 31) | 0;`];
    const [once, again, more] = [
      await counter.count(loop(1e6)),
      await counter.count(loop(1e6)),
      await counter.count(loop(1e8)),
    ];
    expect(again / once).toBeCloseTo(1, 1);
    expect(more - once).toBeGreaterThan(99e6);
  });
});
