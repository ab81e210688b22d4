/** A part of a prefix: a word or number with blanks before it, blanks, or one other character. */
type Token = "word" | "blanks" | { readonly literal: string };

const WORD = /[A-Za-z0-9_]/;
const BLANK = /\s/;

/** The prefix that a console prints before each line of a document: a time, a CPU or task, the name of a host. */
export class Prefix {
  private readonly tokens: readonly Token[];
  /** Number of blanks at its end. */
  private readonly blanks: number;

  /** @param text - the text before `KTAP version` */
  constructor(readonly text: string) {
    const end = text.trimEnd().length;
    this.blanks = text.length - end;
    this.tokens = tokensOf(text.slice(0, end));
  }

  /**
   * Removes the prefix from a line. Numbers, words and blanks may differ from those before the version line, for instance in a
   * longer time.
   * @param line - a line of the log
   * @returns the rest, or undefined if the line does not begin with the prefix
   */
  strip(line: string): string | undefined {
    let at = 0;
    for (const token of this.tokens) {
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
    for (let left = this.blanks; left > 0 && at < line.length && BLANK.test(line[at]!); left--) at++;
    return line.slice(at);
  }
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
