import { hexDigits } from "./words.js";

/** What a terminal acts on or hides: control characters, directions and other format characters, separators, halves of pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** The longest text that a message shows whole. */
const SHOWN = 100;

/**
 * Makes foreign text safe to print: a control character of a terminal, or one that changes the direction of the text, becomes
 * `\u{1b}`, a tab a blank. Everything that this project prints of a file goes through this or {@link quote}.
 * @param text - of unknown content, such as the name of a process or a test
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => (char === "\t" ? " " : `\\u{${hexDigits(char.codePointAt(0)!)}}`));
}

/**
 * Makes foreign text fit for a message: printable, in quotes, and cut where it is long.
 * @param text - of unknown content, such as a line of a file
 */
export function quote(text: string): string {
  const cut = text.length > SHOWN;
  return `'${printable(cut ? text.slice(0, SHOWN) : text)}${cut ? "…" : ""}'`;
}
