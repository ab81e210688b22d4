import { classify } from "./lines.js";

/** The time of a kernel message, which may begin in the middle of a line that lost its end. */
const KERNEL_TIME = /\[ *[0-9]+\.[0-9]{6}\]/;
/** What printk writes before a message: level, time, caller. */
const PRINTK = /^\s*(?:<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](?:\[ *[TC][0-9]+\])? ?/;
const NUL = "\0";
const ESCAPE = "\u001b";
/** What follows ESC where it only sets a colour, erases, or moves the cursor. */
const CONTROL = /^\[[0-9;?]*[A-Za-z]/;

/** A longer line is not looked at for a kernel message within: printk writes at most 1 KiB at once. */
const LONGEST_MIXED = 4096;

/**
 * What a line of a console may be without its prefix: it may have none, or that of printk alone. The kernel's parser cuts as many
 * characters as the version line has before it; that must not make `ok` of `not ok`, nor a result of a diagnostic line.
 * @param text - the line
 * @param prefix - characters before the version line
 * @returns what to try, in this order
 */
export function guessesOf(text: string, prefix: number): string[] {
  const mayCut = text[0] !== "#" && !/not\s*$/.test(text.slice(0, prefix));
  return [text, text.replace(PRINTK, ""), ...(mayCut ? [text.slice(prefix)] : [])];
}

/**
 * Takes control sequences of a terminal off a line, and NUL, which a serial line at rest and UTF-16 have.
 * @param line - the line
 */
export function plain(line: string): string {
  const [first, ...rest] = line.replaceAll(NUL, "").split(ESCAPE);
  return rest.reduce((text, part) => text + (CONTROL.test(part) ? part.replace(CONTROL, "") : ESCAPE + part), first!);
}

/**
 * Finds two messages on one line.
 * @param content - the line
 * @returns where a kernel message begins within a line of which one of both parts is a line of a document; 0 if none does
 */
export function timeWithin(content: string): number {
  if (content.length > LONGEST_MIXED || !content.includes("[")) return 0;
  const at = content.trimEnd().search(KERNEL_TIME);
  if (at <= 0 || content.slice(0, at).trim() === "") return 0;
  if (classify(content.slice(0, at), 0).kind !== "log") return at;
  return classify(content.slice(at).replace(PRINTK, ""), 0).kind === "log" ? 0 : at;
}
