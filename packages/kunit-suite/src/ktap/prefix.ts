/** What a console prints before each line of a document: a time, a CPU or task, the name of a host. */
export interface Prefix {
  /** As it is before the version line. */
  readonly text: string;
  /**
   * Takes it off a line. Numbers, words and blanks may be others than before the version line, so a longer time is no harm.
   * @param line - a line of the log
   * @returns the rest, or undefined when the line does not begin like the version line
   */
  strip(line: string): string | undefined;
}

/** What one token of a prefix takes: a word or number with blanks before it, blanks, or a certain character. */
type Token = "word" | "blanks" | { readonly literal: string };

const WORD = /[A-Za-z0-9_]/;
const BLANK = /\s/;

/**
 * Makes the prefix that a version line has.
 * @param text - what is before `KTAP version`
 */
export function createPrefix(text: string): Prefix {
  const end = text.trimEnd().length;
  const most = text.length - end;
  const tokens = tokensOf(text.slice(0, end));

  return {
    text,
    strip(line) {
      let at = 0;
      for (const token of tokens) {
        if (typeof token === "object") {
          if (line[at++] !== token.literal) return undefined;
          continue;
        }
        at = skip(line, at, BLANK);
        if (token === "blanks") continue;
        const start = at;
        at = skip(line, at, WORD);
        if (at === start) return undefined;
      }
      for (let left = most; left > 0 && at < line.length && BLANK.test(line[at]!); left--) at++;
      return line.slice(at);
    },
  };
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const start = at;
    if ((at = skip(text, at, WORD)) > start) tokens.push("word");
    else if ((at = skip(text, at, BLANK)) > start) tokens.push("blanks");
    else tokens.push({ literal: text[at++]! });
  }
  return tokens;
}

function skip(text: string, from: number, kind: RegExp): number {
  let at = from;
  while (at < text.length && kind.test(text[at]!)) at++;
  return at;
}
