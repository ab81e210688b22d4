import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { judgeVector } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

const SAMPLE = fileURLToPath(new URL("../testdata/vectors.jsonl.gz", import.meta.url));
const SHARED = fileURLToPath(new URL("../../../../shared/vectors/", import.meta.url));
/** The vectors use memory below 2304 MiB and a CPU with MAXPHYADDR 40. */
const PAGES = 2304 * 256;
const machine = createMachine({ physicalAddressBits: 40 }, PAGES);

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

  test.for([
    ["x86.jsonl.gz", 4320, "QEMU"],
    ["silicon.jsonl.gz", 2976, "a CPU with PKU"],
  ] as const)("on all of %s: %i accesses that %s made", ([name, count], { skip }) => {
    if (!existsSync(SHARED + name)) skip(`${SHARED}${name} is not there: the sample alone was judged`);
    const vectors = read(SHARED + name);
    expect(vectors).toHaveLength(count);
    expect(disagreements(vectors)).toEqual([]);
  });
});

test("where QEMU and the manual differ, the model follows the manual", () => {
  const { cpu, memory, tools } = machine;
  const vectors = read(existsSync(SHARED) ? `${SHARED}x86.jsonl.gz` : SAMPLE);
  const wrong = vectors.flatMap((vector) => {
    const disputes = (vector["disputed"] ?? []) as { field: string; rule: string }[];
    const { fields } = tools.runVector(vector, cpu, memory);
    return disputes
      .filter(({ field, rule }) => fields[field] !== rule)
      .map(({ field, rule }) => `${String(vector["id"])}: ${field} is ${String(fields[field])}, not ${rule}`);
  });
  expect(vectors.some((vector) => "disputed" in vector)).toBe(true);
  expect(wrong).toEqual([]);
});

test("a line with a damaged field is refused by name", () => {
  const { cpu, memory, tools } = machine;
  const vector = read(SAMPLE)[0]!;
  const damaged = { ...vector, pte: "123" };
  expect(() => tools.runVector(damaged, cpu, memory)).toThrow(/field 'pte' is missing or has the wrong form/);
  expect(() => tools.runVector({ ...vector, mode: "root" }, cpu, memory)).toThrow(/field 'mode'.*user or supervisor/);
});
