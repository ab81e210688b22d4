import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const BENCH = fileURLToPath(new URL("../../../../bench/dist/index.js", import.meta.url));

interface FigureResult {
  readonly name: string;
  readonly arch: string | null;
  readonly nsPerOp: number;
  readonly ratioToC: number | null;
  readonly reason?: string;
}

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [BENCH, ...args], { encoding: "utf8", env: { ...process.env, ...env } });
}

/** Measures two cheap figures: one that is in the C reference, and one that is neither there nor on an architecture. */
function twoFigures(env?: NodeJS.ProcessEnv): readonly FigureResult[] {
  const { status, stdout } = bench(["tlb-hit-store", "rejected-map-tlb", "--json"], env);
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { figures: FigureResult[] }).figures;
}

describe("npm run bench", () => {
  test("prints one JSON document with each figure, its architecture, its time and its ratio to C", () => {
    const figures = twoFigures();
    expect(figures.map(({ name, arch }) => [name, arch])).toEqual([
      ["tlb-hit-store", "arm64-poe"],
      ["rejected-map-tlb", null],
      ["tlb-hit-store", "x86-pks"],
    ]);
    for (const { nsPerOp, ratioToC, reason } of figures) {
      expect(nsPerOp).toBeGreaterThan(0);
      expect(ratioToC === null).toBe(reason !== undefined);
    }
    expect(figures[1]!.ratioToC).toBeNull();
    if (spawnSync("cc", ["--version"]).status === 0) expect(figures[0]!.ratioToC).toBeGreaterThan(0);
  });

  test("has no ratio to C without a compiler, and gives the reason", () => {
    for (const { ratioToC, reason } of twoFigures({ PATH: "/nowhere" })) {
      expect(ratioToC).toBeNull();
      expect(reason).toContain("cc");
    }
  });

  test.each([["walk-warm"], ["--against"]])("%s is ERR_USAGE", (arg) => {
    const { status, stdout, stderr } = bench([arg]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^bench: ERR_USAGE: /);
  });
});
