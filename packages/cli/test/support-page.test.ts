import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { BUNDLED } from "../src/plugins/registry.js";
import { SERIES } from "@kpkeys/scenarios";

const page = readFileSync(fileURLToPath(new URL("../../../docs/support.md", import.meta.url)), "utf8");
const lines = page.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| --"));
const [heading, ...rows] = lines.map((line) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim()),
);
const versions = new Map(rows.map((cells) => [cells[0]!, cells]));

test("the support page has a row for each version of the series and a column for each plugin", () => {
  expect(heading!.slice(1, -1)).toEqual(BUNDLED.map(({ id }) => id));
  expect([...versions.keys()]).toEqual(expect.arrayContaining(Object.keys(SERIES)));
});

test.each(Object.entries(SERIES))("the support page lists gaps of %s if it has any", (name, series) => {
  expect(versions.get(name)!.at(-1) === "none").toBe(series.documentedGaps.length === 0);
});
