import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGlob } from "../src/glob.js";

/** The pattern as a regular expression, which is correct but slow for some patterns. */
function oracleOf(parts: readonly string[]): RegExp {
  const escaped = (char: string): string => char.replace(/[\\^$.*+?()[\]{}|/-]/, String.raw`\$&`);
  const meanings = parts.map((part) => {
    if (part === "*") return "[^]*";
    if (part === "?") return "[^]";
    if (part.startsWith("[!")) return `[^${part.slice(2)}`;
    return part.startsWith("[") ? part : escaped(part.replace(/^\\/, ""));
  });
  return new RegExp(`^${meanings.join("")}$`);
}

const part = fc.constantFrom("*", "?", "a", "b", "c", ".", "-", "\\*", "\\[", "[ab]", "[!a]", "[a-b]", "[!b-c]", "]");
const name = fc.string({ unit: fc.constantFrom("a", "b", "c", ".", "*", "[", "]", "-"), maxLength: 8 });

describe("a glob", () => {
  test("matches the same names as the equivalent regular expression", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), name, (parts, text) => {
        expect(createGlob(parts.join(""))(text)).toBe(oracleOf(parts).test(text));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["[]]", "]", true],
    ["[!]]", "]", false],
    ["[a-]", "-", true],
    ["[]-a]", "^", true],
    ["", "", true],
    ["", "a", false],
  ])("%s has the classes of glob_match(): '%s' %s", (pattern, text, matches) => {
    expect(createGlob(pattern)(text)).toBe(matches);
  });

  test("does not backtrack exponentially", () => {
    const text = "a".repeat(2000);
    expect(createGlob("?*".repeat(2000))(text)).toBe(true);
    expect(createGlob(`${"?*".repeat(1900)}b`)(text)).toBe(false);
    expect(createGlob(`${"*a".repeat(1900)}b`)(text)).toBe(false);
  });

  test.each(["[", "[a", "[!", "[]", "[a-", "\\", "a".repeat(4097)])(
    "is rejected if it is incomplete or too long: %s",
    (pattern) => {
      expect(() => createGlob(pattern)).toThrow(expect.objectContaining({ code: "ERR_USAGE" }) as Error);
    },
  );
});
