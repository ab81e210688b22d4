import { expect, test } from "vitest";
import { isDocumented, NEXT_LABEL, SERIES, seriesTitle } from "../src/index.js";

test("the versions are in their order, and our own proposal is last", () => {
  expect(Object.keys(SERIES)).toEqual(["v3", "v4", "v5", "v6", "v7", "v8", "v9", "next"]);
});

test("every version up to v9 documents the image's mapping of static tables, and next documents no gap", () => {
  for (const [name, { documentedGaps }] of Object.entries(SERIES))
    expect([name, documentedGaps.length > 0]).toEqual([name, name !== "next"]);
  expect(isDocumented("v9", { source: "static", mapping: "other" })).toBe(true);
  expect(isDocumented("v9", { source: "static", mapping: "linear" })).toBe(false);
  expect(isDocumented("next", { source: "static", mapping: "other" })).toBe(false);
});

test("next is labelled wherever its name is printed, a step that leads to it included", () => {
  expect(seriesTitle("next")).toBe(`next (${NEXT_LABEL})`);
  expect(seriesTitle("v6→next")).toBe(`v6→next (${NEXT_LABEL})`);
  expect(seriesTitle("v9")).toBe("v9");
});
