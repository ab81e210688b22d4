import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
/** The program that `npm run bench` starts after the build. */
const BENCH = "bench/dist/index.js";
/** Two cheap figures: one that is in the C reference, and one that is neither there nor on an architecture. */
const TWO_FIGURES = ["tlb-hit-store", "rejected-map-tlb", "--json"];

interface FigureResult {
  readonly name: string;
  readonly arch: string | null;
  readonly nsPerOp: number;
  readonly ratioToC: number | null;
  readonly reason?: string;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(program, args, { cwd: ROOT, encoding: "utf8", env: { ...process.env, ...env } });
}

function figuresOf({ status, stdout }: ReturnType<typeof run>): readonly FigureResult[] {
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { figures: FigureResult[] }).figures;
}

describe("npm run bench", () => {
  test("prints one JSON document alone on stdout, with each figure, its architecture, its time and its ratio to C", () => {
    const figures = figuresOf(run("npm", ["run", "--silent", "bench", "--", ...TWO_FIGURES]));
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
    for (const { ratioToC, reason } of figuresOf(
      run(process.execPath, [BENCH, ...TWO_FIGURES], { PATH: "/nowhere" }),
    )) {
      expect(ratioToC).toBeNull();
      expect(reason).toContain("cc");
    }
  });

  test.each([["walk-warm"], ["--against"]])("%s is ERR_USAGE", (arg) => {
    const { status, stdout, stderr } = run(process.execPath, [BENCH, arg]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^bench: ERR_USAGE: /);
  });
});
