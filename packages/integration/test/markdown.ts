import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL("../../../", import.meta.url));

/** Folders whose pages are generated, or are not this project's. */
const FOREIGN = /(^|\/)(node_modules|dist|coverage|api|templates)(\/|$)|^\.(git|nx|changeset)(\/|$)/;

/** Every Markdown page of the repository but the changelogs, relative to the root. */
export const PAGES: readonly string[] = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".md") && !path.endsWith("CHANGELOG.md") && !FOREIGN.test(path))
  .sort();

/** A part of a page, between blank lines: fences are one part each. */
export interface Part {
  /** Line of its first line, from 1. */
  readonly line: number;
  /** The text, lines joined by line breaks. */
  readonly text: string;
  /** The text after the opening fence, or `undefined` for prose. */
  readonly fence: string | undefined;
}

/** Splits a page into its parts. */
export function partsOf(page: string): Part[] {
  const lines = readFileSync(join(ROOT, page), "utf8").split("\n");
  const parts: Part[] = [];
  for (let at = 0; at < lines.length;) {
    const fence = /^```(.*)$/.exec(lines[at]!)?.[1];
    const end = fence === undefined ? endOfProse(lines, at) : lines.indexOf("```", at + 1);
    const text = lines.slice(fence === undefined ? at : at + 1, end).join("\n");
    if (text !== "") parts.push({ line: at + 1, text, fence });
    at = end + 1;
  }
  return parts;
}

function endOfProse(lines: readonly string[], start: number): number {
  const end = lines.findIndex((line, at) => at >= start && (line === "" || (at > start && line.startsWith("```"))));
  if (end < 0) return lines.length;
  return lines[end] === "" ? end : end - 1;
}
