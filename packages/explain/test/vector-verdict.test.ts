import type { Vector } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { judgeVector } from "../src/index.js";
import type { VectorOutcome } from "../src/index.js";

const OUTCOME: VectorOutcome = {
  result: "ok",
  "prior.result": "fault",
  esr: null,
  wnr: 1,
  upper_after: ["0x1", "0x2"],
  pte_after: "0x20",
  ad_after: { a: 1, d: 0 },
};
const VECTOR: Vector = {
  result: "ok",
  prior: { access: "read", result: "fault" },
  wnr: 1,
  upper_after: ["0x1", "0x2"],
  pte_after: "0x20",
  ad_after: { a: 1, d: 0 },
};

function judged(changes: Vector, outcome = OUTCOME): readonly string[] {
  return judgeVector({ ...VECTOR, ...changes }, outcome).disagreements.map(({ field }) => field);
}

describe("a comparison", () => {
  test("covers every field of the outcome", () => {
    expect(judgeVector(VECTOR, OUTCOME)).toEqual({ disagreements: [], skipped: [] });
    expect(judged({ prior: { access: "read", result: "ok" } })).toEqual(["prior.result"]);
    expect(judged({ esr: "0x1" })).toEqual(["esr"]);
    expect(judged({ wnr: 0 })).toEqual(["wnr"]);
    expect(judged({ wnr: undefined })).toEqual(["wnr"]);
    expect(judged({ upper_after: ["0x1"] })).toEqual(["upper_after"]);
    expect(judged({ upper_after: ["0x1", "0x3"] })).toEqual(["upper_after"]);
    expect(judged({ pte_after: "0x21" })).toEqual(["pte_after"]);
    expect(judged({ pte_after: null })).toEqual(["pte_after"]);
    expect(judged({ ad_after: { a: 1, d: 1 } })).toEqual(["ad_after"]);
  });

  test("has both values of a disagreement", () => {
    expect(judgeVector({ ...VECTOR, esr: "0x1", wnr: 0 }, OUTCOME).disagreements).toEqual([
      { field: "esr", expected: "0x1", model: null },
      { field: "wnr", expected: 0, model: 1 },
    ]);
  });

  test("uses the value of a bit pattern, not its spelling", () => {
    expect(judged({ pte_after: "0x0000000000000020", upper_after: ["0x01", "0x2"] })).toEqual([]);
    expect(judged({ pte_after: "0x100000020" })).toEqual(["pte_after"]);
  });

  test("skips disputed fields, and no others", () => {
    const disputed = [{ field: "pte_after", why: "sources differ", rule: "0x0" }];
    const wrong = { disputed, pte_after: "0x0", ad_after: { a: 0, d: 0 } };
    expect(judged(wrong)).toEqual(["ad_after"]);
    expect(judgeVector({ ...VECTOR, ...wrong }, OUTCOME).skipped).toEqual(["pte_after"]);
    const twice = { disputed: [...disputed, ...disputed, { field: "prior.result", why: "likewise" }] };
    expect(judgeVector({ ...VECTOR, ...twice }, OUTCOME).skipped).toEqual(["prior.result", "pte_after"]);
  });

  test("skips the tables above the leaf after a fault, in line or outcome", () => {
    const wrong = { upper_after: ["0x0", "0x0"] };
    const { disagreements, skipped } = judgeVector({ ...VECTOR, ...wrong, result: "fault" }, OUTCOME);
    expect(disagreements.map(({ field }) => field)).toEqual(["result"]);
    expect(skipped).toEqual(["upper_after"]);
    expect(judged(wrong, { ...OUTCOME, result: "fault" })).toEqual(["result"]);
    expect(judged(wrong)).toEqual(["upper_after"]);
  });
});
