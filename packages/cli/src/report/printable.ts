/** Longer texts hold a part of an input. */
const LONGEST = 2000;

/**
 * A text from an input for a terminal: control characters, which a terminal obeys, and characters that turn the direction of writing are
 * escaped, and its end is left out when it is long.
 * @param text - any text
 * @returns one line
 */
export function printable(text: string): string {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} ...` : text;
  return shown.replaceAll(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}
