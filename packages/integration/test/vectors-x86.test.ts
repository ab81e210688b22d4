import { x86Pks } from "@kpkeys/arch-x86-pks";
import type { Vector } from "@kpkeys/core/contracts";
import { judgeVector } from "@kpkeys/explain";
import { describe, expect, test } from "vitest";
import { sampleOf, sharedVectors, vectorMachine } from "./vectors.js";

const { run } = vectorMachine(x86Pks);
const SAMPLE = sampleOf("x86-pks");

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
    expect(SAMPLE).toHaveLength(208);
    expect(disagreements(SAMPLE)).toEqual([]);
  });

  test.for([
    ["x86.jsonl.gz", 4320, "QEMU"],
    ["silicon.jsonl.gz", 2976, "a CPU with PKU"],
  ] as const)("on all of %s: %i accesses that %s made", ([name, count], { skip }) => {
    const vectors = sharedVectors(name) ?? skip(`shared/vectors/${name} is not there: the sample alone was judged`);
    expect(vectors).toHaveLength(count);
    expect(disagreements(vectors)).toEqual([]);
  });
});

/** A disputed line's value of a field, the values of other sources, and the model's. */
function disputes(field: string): { line: unknown; rule: string; model: unknown }[] {
  const vectors = sharedVectors("x86.jsonl.gz") ?? SAMPLE;
  const found = vectors.flatMap((vector) => {
    const all = (vector["disputed"] ?? []) as { field: string; rule: string }[];
    const model = run(vector)[field];
    return all.filter((each) => each.field === field).map(({ rule }) => ({ line: vector[field], rule, model }));
  });
  expect(found.length).toBeGreaterThan(0);
  return found;
}

describe("where QEMU and the manual differ", () => {
  test("the model's accessed flag of a leaf whose rights deny the access is QEMU's, which the manual allows", () => {
    for (const { line, rule, model } of disputes("pte_after")) {
      expect(BigInt(line as string)).toBe(BigInt(rule) | 0x20n);
      expect(model).toBe(line);
    }
  });
});

test("a line with a field that no machine can have is refused by its name", () => {
  const vector = SAMPLE[0]!;
  const refused = (changes: Record<string, unknown>) => () => run({ ...vector, ...changes });
  expect(refused({ pte: "123" })).toThrow(/field 'pte' is "123"; expected a hex string of up to 64 bits/);
  expect(refused({ mode: "root" })).toThrow(/field 'mode' is "root"; expected user or supervisor/);
  expect(refused({ arch: "x86-pku", prot: "r", mode: "root" })).toThrow(
    /field 'mode' is "root"; expected user or supervisor/,
  );
  expect(refused({ pkrs: "0x100000000" })).toThrow(/field 'pkrs' .*expected a hex string of up to 32 bits/);
  expect(refused({ errno: 14 })).toThrow(/a line of x86-pks has no field "errno"/);
  expect(refused({ arch: "x86-pkx" })).toThrow(/field 'arch' is "x86-pkx"; expected x86-pks or x86-pku/);
});
