import { toPfn } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import {
  conformReportOf,
  conformTextOf,
  countVerdict,
  createCounts,
  disagreementOf,
  totalOf,
} from "../src/report/conform.js";
import type { ConformCounts } from "../src/report/conform.js";
import { PLAIN } from "../src/report/style.js";

const GOOD = { disagreements: [], skipped: [] };
const SKIPS = { disagreements: [], skipped: ["upper_after", "error_code"] };
const BAD = {
  disagreements: [
    { field: "error_code", expected: "0x7", model: null },
    { field: "ad_after", expected: { a: 1, d: 0 }, model: { a: 0, d: 0 } },
  ],
  skipped: ["upper_after"],
};
const WALK = [
  { level: 0, table: toPfn(0x8ffff), index: 7, high: -0x80000000, low: 0x27, type: "table" },
  { level: 1, table: toPfn(0x8000), index: 511, high: 0, low: 0, type: "invalid" },
] as const;

function countsOf(name: string, seconds: number, ...verdicts: readonly (typeof BAD | typeof GOOD)[]): ConformCounts {
  const counts = { ...createCounts(name), seconds };
  for (const verdict of verdicts) countVerdict(counts, verdict);
  return counts;
}

const files = [countsOf("a.jsonl", 0.002, GOOD, SKIPS, SKIPS), countsOf("b.jsonl.gz", 0.001, BAD)];
const total = totalOf(files, 0.004);
const disagreement = disagreementOf({ id: "x\n1", file: "b.jsonl.gz", line: 1 }, BAD, WALK);

test("the document has the counts, the skipped fields, and both values of each field with the walk", () => {
  expect(conformReportOf(total, [disagreement])).toEqual({
    agree: 3,
    disagree: 1,
    skipped: { upper_after: 3, error_code: 2 },
    disagreements: [
      {
        id: "x\n1",
        file: "b.jsonl.gz",
        line: 1,
        fields: {
          error_code: { expected: "0x7", model: null },
          ad_after: { expected: { a: 1, d: 0 }, model: { a: 0, d: 0 } },
        },
        walk: [
          { level: 0, table: "0x8ffff000", index: 7, entry: "0x8000000000000027", type: "table" },
          { level: 1, table: "0x8000000", index: 511, entry: "0x0", type: "invalid" },
        ],
      },
    ],
    vectorsPerSecond: 1000,
  });
});

describe("the text", () => {
  test("has counts of each file and of all files", () => {
    expect(conformTextOf(files, total, [disagreement], PLAIN)).toBe(
      `                lines      agree   disagree per second
a.jsonl             3          3          0      1,500
  not compared: error_code 2, upper_after 2
b.jsonl.gz          1          0          1      1,000
  not compared: upper_after 1
total               4          3          1      1,000
  not compared: error_code 2, upper_after 3

x\\n1 (b.jsonl.gz:1)
  error_code: expected 0x7, model nothing
  ad_after: expected {"a":1,"d":0}, model {"a":0,"d":0}
  level 0: table 0x8ffff000, entry   7 = 0x8000000000000027 (table)
  level 1: table 0x8000000, entry 511 = 0x0 (invalid)

1 of 4 lines disagree.
`,
    );
  });

  test("has the number of disagreements that it does not list", () => {
    const many = countsOf("c.jsonl", 1, ...Array.from({ length: 25 }, () => BAD));
    const shown = Array.from({ length: 20 }, () => disagreement);
    const lines = conformTextOf([many], many, shown, PLAIN).trimEnd().split("\n");
    expect(lines.slice(-3)).toEqual(["5 more lines disagree.", "", "25 of 25 lines disagree."]);
  });

  test("ends with the result when all lines agree", () => {
    const good = countsOf("a.jsonl", 1, GOOD);
    expect(conformTextOf([good], good, [], PLAIN)).toMatch(/not compared: nothing\n\n[^\n]* agree\.\n$/);
  });
});
