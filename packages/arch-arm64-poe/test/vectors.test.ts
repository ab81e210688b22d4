import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { judgeVector } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

const SAMPLE = fileURLToPath(new URL("../testdata/vectors.jsonl.gz", import.meta.url));
const SHARED = fileURLToPath(new URL("../../../../shared/vectors/", import.meta.url));
/** The vectors use memory below 2304 MiB. */
const machine = createMachine({}, { firstPfn: 0, pages: 2304 * 256 });

function read(file: string): Record<string, unknown>[] {
  const lines = gunzipSync(readFileSync(file)).toString().trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function disagreements(vectors: readonly Record<string, unknown>[]): string[] {
  const { cpu, memory, tools } = machine;
  return vectors.flatMap((vector) =>
    judgeVector(vector, tools.runVector(vector, cpu, memory)).disagreements.map(
      ({ field, expected, model }) =>
        `${String(vector["id"])}: ${field} is ${JSON.stringify(model)}, not ${JSON.stringify(expected)}`,
    ),
  );
}

describe("every judged field of the architectural vectors is right", () => {
  test("on the sample, of every kind", () => {
    const vectors = read(SAMPLE);
    expect(vectors).toHaveLength(204);
    expect(disagreements(vectors)).toEqual([]);
  });

  test.for([["arm64.jsonl.gz", 7447, "Arm's pseudocode"]] as const)(
    "on all of %s: %i accesses that %s made",
    ([name, count], { skip }) => {
      if (!existsSync(SHARED + name)) skip(`${SHARED}${name} is not there: the sample alone was judged`);
      const vectors = read(SHARED + name);
      expect(vectors).toHaveLength(count);
      expect(disagreements(vectors)).toEqual([]);
    },
  );
});

test("where sources differ on the result, the model gives the answer that the line holds", () => {
  const { cpu, memory, tools } = machine;
  const vectors = read(existsSync(SHARED) ? `${SHARED}arm64.jsonl.gz` : SAMPLE).filter((each) => "disputed" in each);
  expect(vectors.length).toBeGreaterThan(0);
  for (const vector of vectors) expect(tools.runVector(vector, cpu, memory).fields["result"]).toBe(vector["result"]);
});

test("a line with a field that no machine can have is refused by its name", () => {
  const { cpu, memory, tools } = machine;
  const vector = read(SAMPLE)[0]!;
  const refused = (changes: Record<string, unknown>) => () => tools.runVector({ ...vector, ...changes }, cpu, memory);
  expect(refused({ pte: "123" })).toThrow(/field 'pte' is "123"; expected a hex string of up to 64 bits/);
  expect(refused({ el: 2 })).toThrow(/field 'el' is 2; expected 0 or 1/);
  expect(refused({ access: "rmw" })).toThrow(/field 'access' is "rmw"; expected read or write or fetch/);
  expect(refused({ ttbr: 1 - (vector["ttbr"] as number) })).toThrow(/field 'ttbr' .*lower half/);
  expect(refused({ wxn: 1 })).toThrow(/there is no field "wxn" on a line of arm64-poe/);
  expect(refused({ arch: "arm64" })).toThrow(/field 'arch' is "arm64"; expected arm64-poe/);
});
