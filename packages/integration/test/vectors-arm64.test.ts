import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import type { Vector } from "@kpkeys/core/contracts";
import { judgeVector } from "@kpkeys/explain";
import { describe, expect, test } from "vitest";
import { sampleOf, sharedVectors, vectorMachine } from "./vectors.js";

const { run } = vectorMachine(arm64Poe);
const SAMPLE = sampleOf("arm64-poe");

function disagreements(vectors: readonly Vector[]): string[] {
  return vectors.flatMap((vector) =>
    judgeVector(vector, run(vector)).disagreements.map(
      ({ field, expected, model }) =>
        `${String(vector["id"])}: ${field} is ${JSON.stringify(model)}, not ${JSON.stringify(expected)}`,
    ),
  );
}

describe("every judged field of the architectural vectors is right", () => {
  test("on the sample, of every kind", () => {
    expect(SAMPLE).toHaveLength(204);
    expect(disagreements(SAMPLE)).toEqual([]);
  });

  test.for([["arm64.jsonl.gz", 7447, "Arm's pseudocode"]] as const)(
    "on all of %s: %i accesses that %s made",
    ([name, count], { skip }) => {
      const vectors = sharedVectors(name) ?? skip(`shared/vectors/${name} is not there: the sample alone was judged`);
      expect(vectors).toHaveLength(count);
      expect(disagreements(vectors)).toEqual([]);
    },
  );
});

test("where sources differ on the result, the model gives the answer that the line holds", () => {
  const vectors = (sharedVectors("arm64.jsonl.gz") ?? SAMPLE).filter((each) => "disputed" in each);
  expect(vectors.length).toBeGreaterThan(0);
  for (const vector of vectors) expect(run(vector)["result"]).toBe(vector["result"]);
});

test("a line with a field that no machine can have is refused by its name", () => {
  const vector = SAMPLE[0]!;
  const refused = (changes: Record<string, unknown>) => () => run({ ...vector, ...changes });
  expect(refused({ pte: "123" })).toThrow(/field 'pte' is "123"; expected a hex string of up to 64 bits/);
  expect(refused({ el: 2 })).toThrow(/field 'el' is 2; expected 0 or 1/);
  expect(refused({ access: "rmw" })).toThrow(/field 'access' is "rmw"; expected read or write or fetch/);
  expect(refused({ ttbr: 1 - (vector["ttbr"] as number) })).toThrow(/field 'ttbr' .*lower half/);
  expect(refused({ wxn: 1 })).toThrow(/a line of arm64-poe has no field "wxn"/);
  expect(refused({ arch: "arm64" })).toThrow(/field 'arch' is "arm64"; expected arm64-poe/);
});
