import { KpkeysError } from "@kpkeys/core";

/** Longest pattern. `kunit.filter_glob` is a kernel parameter, and a kernel command line is shorter on most architectures. */
const LONGEST = 4096;

/** A part of a pattern: any text, any character, or a character class. */
type Part = "*" | "?" | { readonly ranges: readonly (readonly [first: string, last: string])[]; readonly not: boolean };

/**
 * Compiles a pattern of the kernel's glob_match() (lib/glob.c): `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a literal character. Only the
 * last `*` is retried, so the time of a match is at most proportional to the product of both lengths.
 *
 * @param pattern - the pattern
 * @returns a function that returns whether the pattern matches a whole name
 * @throws KpkeysError ERR_USAGE for a pattern that is too long, ends with `\` or has a `[` without `]`
 */
export function createGlob(pattern: string): (name: string) => boolean {
  const parts = partsOf(pattern);

  return (name) => {
    let part = 0;
    let at = 0;
    /** Where to continue after a mismatch: after the last `*`, which matches one more character. */
    let retry: { readonly part: number; at: number } | undefined;
    while (at < name.length || part < parts.length) {
      const next = parts[part];
      if (next === "*") retry = { part: ++part, at };
      else if (next !== undefined && at < name.length && matches(next, name[at]!)) {
        part++;
        at++;
      } else {
        if (retry === undefined || retry.at >= name.length) return false;
        part = retry.part;
        at = ++retry.at;
      }
    }
    return true;
  };
}

function matches(part: Exclude<Part, "*">, char: string): boolean {
  return part === "?" || part.ranges.some(([first, last]) => first <= char && char <= last) !== part.not;
}

function partsOf(pattern: string): Part[] {
  if (pattern.length > LONGEST) throw badPattern(`the pattern has ${pattern.length} characters`, `at most ${LONGEST}`);
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length;) {
    const char = pattern[at++]!;
    if (char === "*" || char === "?") parts.push(char);
    else if (char === "[") {
      const { part, end } = classOf(pattern, at);
      parts.push(part);
      at = end;
    } else {
      const literal = char === "\\" ? pattern[at++] : char;
      if (literal === undefined)
        throw badPattern(`nothing follows \\ in the pattern '${pattern}'`, "a character after \\");
      parts.push({ ranges: [[literal, literal]], not: false });
    }
  }
  return parts;
}

/** Parses a character class after its `[`. A `]` at the start is one of its characters. */
function classOf(pattern: string, start: number): { readonly part: Part; readonly end: number } {
  const not = pattern[start] === "!";
  const ranges: [string, string][] = [];
  let at = not ? start + 1 : start;
  do {
    const isRange = pattern[at + 1] === "-" && pattern[at + 2] !== "]";
    const [first, last] = [pattern[at], pattern[isRange ? at + 2 : at]];
    if (first === undefined || last === undefined) {
      throw badPattern(`the pattern '${pattern}' has a [ without ]`, "[a-z], or \\[ for a literal [");
    }
    ranges.push([first, last]);
    at += isRange ? 3 : 1;
  } while (pattern[at] !== "]");
  return { part: { ranges, not }, end: at + 1 };
}

function badPattern(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_USAGE", what, { where: "--filter", expected });
}
