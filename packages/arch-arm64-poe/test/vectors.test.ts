import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { judgeVector } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

const SAMPLE = fileURLToPath(new URL("../testdata/vectors.jsonl.gz", import.meta.url));
const ALL = fileURLToPath(new URL("../../../../shared/vectors/arm64.jsonl.gz", import.meta.url));
/** The vectors use memory below 2304 MiB. */
const machine = createMachine({}, { firstPfn: 0, pages: 2304 * 256 });

function read(file: string): Record<string, unknown>[] {
  const lines = gunzipSync(readFileSync(file)).toString().trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function disagreements(vectors: readonly Record<string, unknown>[]): string[] {
  const { cpu, memory, tools } = machine;
  return vectors.flatMap((vector) =>
    judgeVector(vector, tools.runVector(vector, cpu, memory)).map(
      ({ field, expected, actual }) =>
        `${String(vector["id"])}: ${field} is ${String(actual)}, not ${String(expected)}`,
    ),
  );
}

describe("every judged field of the architectural vectors is right", () => {
  test("on the sample, of every kind", () => {
    const vectors = read(SAMPLE);
    expect(vectors).toHaveLength(200);
    expect(disagreements(vectors)).toEqual([]);
  });

  test("on all that Arm's pseudocode judged", ({ skip }) => {
    if (!existsSync(ALL)) skip(`${ALL} is not there: the sample alone was judged`);
    const vectors = read(ALL);
    expect(vectors).toHaveLength(7447);
    expect(disagreements(vectors)).toEqual([]);
  });
});
