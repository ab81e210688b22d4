import { KpkeysError } from "@kpkeys/core";

/** A kernel's command line, from which `kunit.filter_glob` comes, is shorter on most architectures. */
const LONGEST = 4096;

/** What one part of a pattern takes: any text, any character, or one of a class. */
type Part = "*" | "?" | { readonly ranges: readonly (readonly [first: string, last: string])[]; readonly not: boolean };

/**
 * Makes a matcher of names by a pattern as the kernel's glob_match() has it (lib/glob.c): `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a
 * character that is meant as it is. Of several `*` only the last one is tried again, so a match takes at most the product of both
 * lengths.
 *
 * @param pattern - the pattern
 * @returns whether a name matches as a whole
 * @throws KpkeysError ERR_USAGE for a pattern that is too long, or whose last `[` or `\` has no end
 */
export function createGlob(pattern: string): (name: string) => boolean {
  const parts = partsOf(pattern);

  return (name) => {
    let part = 0;
    let at = 0;
    /** Where to go on after a mismatch: behind the last `*`, with one more character for it. */
    let back: { readonly part: number; at: number } | undefined;
    while (at < name.length || part < parts.length) {
      const next = parts[part];
      if (next === "*") back = { part: ++part, at };
      else if (next !== undefined && at < name.length && takes(next, name[at]!)) {
        part++;
        at++;
      } else {
        if (back === undefined || back.at >= name.length) return false;
        part = back.part;
        at = ++back.at;
      }
    }
    return true;
  };
}

function takes(part: Exclude<Part, "*">, char: string): boolean {
  return part === "?" || part.ranges.some(([first, last]) => first <= char && char <= last) !== part.not;
}

function partsOf(pattern: string): Part[] {
  if (pattern.length > LONGEST) throw refuse(`a pattern of ${pattern.length} characters`, `at most ${LONGEST}`);
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length;) {
    const char = pattern[at++]!;
    if (char === "*" || char === "?") parts.push(char);
    else if (char === "[") {
      const { part, end } = classOf(pattern, at);
      parts.push(part);
      at = end;
    } else {
      const meant = char === "\\" ? pattern[at++] : char;
      if (meant === undefined) throw refuse(`nothing follows \\ in the pattern '${pattern}'`, "a character, or no \\");
      parts.push({ ranges: [[meant, meant]], not: false });
    }
  }
  return parts;
}

/** Reads a class from behind its `[`. A `]` that comes first is one of its characters. */
function classOf(pattern: string, start: number): { readonly part: Part; readonly end: number } {
  const not = pattern[start] === "!";
  const ranges: [string, string][] = [];
  let at = not ? start + 1 : start;
  do {
    const isRange = pattern[at + 1] === "-" && pattern[at + 2] !== "]";
    const [first, last] = [pattern[at], pattern[isRange ? at + 2 : at]];
    if (first === undefined || last === undefined) {
      throw refuse(`a [ without its ] in the pattern '${pattern}'`, "[a-z], or \\[ for the character");
    }
    ranges.push([first, last]);
    at += isRange ? 3 : 1;
  } while (pattern[at] !== "]");
  return { part: { ranges, not }, end: at + 1 };
}

function refuse(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_USAGE", what, { where: "--filter", expected });
}
