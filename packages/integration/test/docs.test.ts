import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ERROR_CODES } from "@kpkeys/core";
import { describe, expect, test } from "vitest";
import { PAGES, partsOf, ROOT } from "./markdown.js";
import type { Part } from "./markdown.js";

test("the guide has an entry for every error code, and no other", () => {
  const page = readFileSync(join(ROOT, "docs/errors.md"), "utf8");
  const codes = [...page.matchAll(/^\| `(ERR_\w+)` +\| \S/gm)].map((match) => match[1]);
  expect(codes).toEqual(Object.keys(ERROR_CODES));
});

test("the code that the guide shows is the code of the examples", async () => {
  const script = pathToFileURL(join(ROOT, "scripts/include-code.mjs")).href;
  const { withCode } = (await import(script)) as { withCode: (page: string) => string };
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  for (const page of pages.map((name) => join(ROOT, "docs", name))) {
    expect(withCode(page), page).toBe(readFileSync(page, "utf8"));
  }
});

/** `sh` and `ts` are run by tests, `typescript` is copied from the examples; the others are only shown. */
const LANGUAGES = ["sh", "ts", "typescript", "js", "json", "text"];

/** Prose shorter than this may recur: "See also", a licence line. */
const LEAST_WORDS = 12;
/** Two paragraphs are versions of one if they share this part of their word triples. */
const ALIKE = 0.5;

/** Values that occur more than once. */
function twice(values: readonly string[]): string[] {
  return values.filter((value, at) => values.indexOf(value) !== at);
}

/** The word triples of a text, without Markdown's signs. */
function triplesOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\w'-]+/g) ?? [];
  return new Set(words.slice(2).map((word, at) => `${words[at]!} ${words[at + 1]!} ${word}`));
}

function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  const shared = [...one].filter((triple) => other.has(triple)).length;
  return shared / (one.size + other.size - shared);
}

const isTable = ({ text, fence }: Part): boolean => fence === undefined && text.startsWith("|");
const isParagraph = ({ text, fence }: Part): boolean => fence === undefined && !/^[#|<]/.test(text);

/** Tables of a page: the rows of each as cells. */
function tablesOf(page: string): { line: number; rows: string[][] }[] {
  return partsOf(page)
    .filter(isTable)
    .map(({ line, text }) => ({
      line,
      rows: text.split("\n").map((row) =>
        row
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
    }));
}

describe.each(PAGES)("%s", (page) => {
  test("has each heading once", () => {
    const headings = partsOf(page).flatMap(({ text, fence }) =>
      fence === undefined ? [...text.matchAll(/^#+ .*$/gm)].map(([heading]) => heading) : [],
    );
    expect(twice(headings)).toEqual([]);
  });

  test("has each table once, each with one head and each row once", () => {
    const tables = tablesOf(page);
    for (const { line, rows } of tables) {
      expect(rows.filter((cells) => cells.every((cell) => /^:?-+:?$/.test(cell))).length, `${page}:${line}`).toBe(1);
      expect(twice(rows.slice(2).map((cells) => cells.join(" | "))), `${page}:${line}`).toEqual([]);
    }
    expect(twice(tables.map(({ rows }) => rows.map((cells) => cells.join(" | ")).join("\n")))).toEqual([]);
  });

  test("fences code at the margin, in a language that is run, included or only shown", () => {
    const lines = readFileSync(join(ROOT, page), "utf8").split("\n");
    expect(lines.filter((line) => /^\s*(```|~~~)/.test(line) && !/^```\w*$/.test(line))).toEqual([]);
    const languages = partsOf(page).flatMap(({ fence }) => fence ?? []);
    expect(languages.filter((language) => !LANGUAGES.includes(language))).toEqual([]);
  });

  test("leaves no directive of the documentation tool in the text", () => {
    expect(readFileSync(join(ROOT, page), "utf8")).not.toMatch(/\{@include/);
  });
});

test("no paragraph is on two pages, or twice on one, not even in other words", () => {
  const paragraphs = PAGES.flatMap((page) =>
    partsOf(page)
      .filter((part) => isParagraph(part) && part.text.split(/\s+/).length >= LEAST_WORDS)
      .map(({ line, text }) => ({ where: `${page}:${line}`, triples: triplesOf(text) })),
  );
  const alike = paragraphs.flatMap((one, at) =>
    paragraphs
      .slice(at + 1)
      .filter((other) => likeness(one.triples, other.triples) >= ALIKE)
      .map((other) => `${one.where} ~ ${other.where}`),
  );
  expect(alike).toEqual([]);
});
