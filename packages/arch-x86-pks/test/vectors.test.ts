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
    judgeVector(vector, tools.runVector(vector, cpu, memory)).disagreements.map(
      ({ field, expected, model }) =>
        `${String(vector["id"])}: ${field} is ${JSON.stringify(model)}, not ${JSON.stringify(expected)}`,
    ),
  );
}

describe("every judged field of the architectural vectors is right", () => {
  test("on the sample, of every kind", () => {
    const vectors = read(SAMPLE);
    expect(vectors).toHaveLength(208);
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

/** What a disputed line says of a field, what other sources say, and what the model gives. */
function disputes(field: string): { line: unknown; rule: string; model: unknown }[] {
  const { cpu, memory, tools } = machine;
  const vectors = read(existsSync(SHARED) ? `${SHARED}x86.jsonl.gz` : SAMPLE);
  const found = vectors.flatMap((vector) => {
    const all = (vector["disputed"] ?? []) as { field: string; rule: string }[];
    const model = tools.runVector(vector, cpu, memory).fields[field];
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
  const { cpu, memory, tools } = machine;
  const vector = read(SAMPLE)[0]!;
  const refused = (changes: Record<string, unknown>) => () => tools.runVector({ ...vector, ...changes }, cpu, memory);
  expect(refused({ pte: "123" })).toThrow(/field 'pte' is "123"; expected a hex string of up to 64 bits/);
  expect(refused({ mode: "root" })).toThrow(/field 'mode' is "root"; expected user or supervisor/);
  expect(refused({ arch: "x86-pku", prot: "r", mode: "root" })).toThrow(
    /field 'mode' is "root"; expected user or supervisor/,
  );
  expect(refused({ pkrs: "0x100000000" })).toThrow(/field 'pkrs' .*expected a hex string of up to 32 bits/);
  expect(refused({ errno: 14 })).toThrow(/there is no field "errno" on a line of x86-pks/);
  expect(refused({ arch: "x86-pkx" })).toThrow(/field 'arch' is "x86-pkx"; expected x86-pks or x86-pku/);
});
