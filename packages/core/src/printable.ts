import { hexDigits } from "./words.js";

/** Characters that a terminal interprets or hides: control and format characters, separators, unpaired surrogates. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** The length from which {@link quote} truncates, in UTF-16 code units. */
const SHOWN = 100;

/**
 * Makes untrusted text safe to print: a control character, or one that changes the direction of the text, becomes an escape such as
 * `\u{1b}`, a tab becomes a space. All text from files is printed through this function or {@link quote}.
 * @param text - any text, such as the name of a process or a test
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => (char === "\t" ? " " : `\\u{${hexDigits(char.codePointAt(0)!)}}`));
}

/**
 * Quotes untrusted text in a message: {@link printable}, truncated to 100 characters.
 * @param text - any text, such as a line of a file
 */
export function quote(text: string): string {
  const cut = text.length > SHOWN;
  return `'${printable(cut ? text.slice(0, SHOWN) : text)}${cut ? "…" : ""}'`;
}
