import { expect, test } from "vitest";
import { isDocumented, NEXT_LABEL, SERIES, seriesTitle } from "../src/index.js";

test("the versions are in order, our proposal is last", () => {
  expect(Object.keys(SERIES)).toEqual(["v3", "v4", "v5", "v6", "v7", "v8", "v9", "next"]);
});

test("every posted version documents the image mapping of static tables, v6 to v9 the tables of the fixmap, next no gap", () => {
  for (const [name, { documentedGaps }] of Object.entries(SERIES))
    expect([name, documentedGaps.length > 0]).toEqual([name, name !== "next"]);
  expect(isDocumented("v9", { source: "static", mapping: "other" })).toBe(true);
  expect(isDocumented("v5", { source: "static", mapping: "linear" })).toBe(false);
  expect(isDocumented("v9", { source: "static", mapping: "linear" })).toBe(true);
  expect(isDocumented("next", { source: "static", mapping: "other" })).toBe(false);
});

test("next is labelled, also in a step that leads to it", () => {
  expect(seriesTitle("next")).toBe(`next (${NEXT_LABEL})`);
  expect(seriesTitle("v6→next")).toBe(`v6→next (${NEXT_LABEL})`);
  expect(seriesTitle("v9")).toBe("v9");
});
