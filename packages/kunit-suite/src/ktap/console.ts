import { classify } from "./lines.js";

/** The time of a kernel message, which may begin in the middle of a line that lost its end. */
const KERNEL_TIME = /\[ *[0-9]+\.[0-9]{6}\]/;
/** The prefix of printk: level, time, caller. */
const PRINTK = /^\s*(?:<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](?:\[ *[TC][0-9]+\])? ?/;
const NUL = "\0";
const ESCAPE = "\u001b";
/** The rest of an escape sequence that sets a colour, erases, or moves the cursor. */
const CONTROL = /^\[[0-9;?]*[A-Za-z]/;

/** Longest line that is searched for a second message: printk writes at most 1 KiB at once. */
const LONGEST_MIXED = 4096;

/**
 * The possible contents of a line whose prefix is unknown: the line itself, the line without the prefix of printk, and the line
 * without as many characters as the version line has before it, which is what the kernel's parser removes. The last one must not
 * turn `not ok` into `ok`, nor a diagnostic line into a result.
 * @param text - the line
 * @param prefix - number of characters before the version line
 * @returns the contents, in the order in which they are tried
 */
export function guessesOf(text: string, prefix: number): string[] {
  const mayCut = text[0] !== "#" && !/not\s*$/.test(text.slice(0, prefix));
  return [text, text.replace(PRINTK, ""), ...(mayCut ? [text.slice(prefix)] : [])];
}

/**
 * Removes terminal control sequences and NUL from a line. An idle serial line and UTF-16 contain NUL.
 * @param line - the line
 */
export function plain(line: string): string {
  const [first, ...rest] = line.replaceAll(NUL, "").split(ESCAPE);
  return rest.reduce((text, part) => text + (CONTROL.test(part) ? part.replace(CONTROL, "") : ESCAPE + part), first!);
}

/**
 * Finds a kernel message that begins in the middle of a line, where one of the two parts is a line of a document.
 * @param content - the line
 * @returns its position; 0 if there is none
 */
export function timeWithin(content: string): number {
  if (content.length > LONGEST_MIXED || !content.includes("[")) return 0;
  const at = content.trimEnd().search(KERNEL_TIME);
  if (at <= 0 || content.slice(0, at).trim() === "") return 0;
  if (classify(content.slice(0, at), 0).kind !== "log") return at;
  return classify(content.slice(at).replace(PRINTK, ""), 0).kind === "log" ? 0 : at;
}
