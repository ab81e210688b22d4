import { ERROR_NUMBERS } from "./strace-names.js";

/** The parts of a call. */
export interface StraceCall {
  /** The arguments, without surrounding spaces. */
  readonly args: readonly string[];
  /** The result: the text after the equals sign. */
  readonly result: string;
}

/**
 * Splits `name(argument, argument) = result`. Commas and parentheses inside strings, structures, comments and the file names of `-y` are
 * part of the argument. It takes one pass for any text.
 *
 * @param text - the call after its name and the opening parenthesis
 * @returns undefined if the parenthesis is not closed or no result follows it
 */
export function splitStraceCall(text: string): StraceCall | undefined {
  const args: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    at = opaqueEnd(text, at);
    const char = text[at]!;
    if (char === ")" && depth <= 0) {
      const last = text.slice(from, at).trim();
      if (last !== "" || args.length > 0) args.push(last);
      const result = resultAt(text, at + 1);
      return result < 0 ? undefined : { args, result: text.slice(result) };
    }
    if (char === "," && depth <= 0) {
      args.push(text.slice(from, at).trim());
      from = at + 1;
    }
    depth += DEPTH[char] ?? 0;
  }
  return undefined;
}

/** The change of the nesting depth by bracket. */
const DEPTH: Readonly<Record<string, number>> = { "(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1 };

/** @returns the last position of the string, file name or comment that begins at a position; the position if none begins there */
function opaqueEnd(text: string, at: number): number {
  switch (text[at]) {
    case '"':
      return stringEnd(text, at + 1);
    case "<":
      return text[at + 1] === "<" ? at + 1 : decorationEnd(text, at + 1);
    case "/":
      return text[at + 1] === "*" ? endOf(text, "*/", at + 2) : at;
    default:
      return at;
  }
}

/** @returns the start of the result after the spaces and the equals sign at a position, or -1 */
function resultAt(text: string, start: number): number {
  let at = start;
  while (text[at] === " ") at++;
  return at > start && text.startsWith("= ", at) ? at + 2 : -1;
}

function stringEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** The file name of `-y` ends at the bracket before the end of the argument: that of a socket contains an arrow. */
function decorationEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && (text[at] !== ">" || !",)]} ".includes(text[at + 1] ?? ")"))) at++;
  return at;
}

/** @returns the position of the last character of a mark, or the end of the text if it has none */
function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length - 1;
}

/** The result of a call. */
export interface StraceResult {
  /** The value; undefined for `?`: the call did not return, or is restarted. */
  readonly value: bigint | undefined;
  /** Whether it is an error; the value is then a negative errno. */
  readonly failed: boolean;
}

const RESULT = /^(\?|0x[0-9a-f]{1,16}|-?\d{1,20})(?=$|[ <])(?: (E[A-Z0-9]+)\b| \(errno (\d{1,4})\))?/;
/** A pid in the caller's namespace, with its number in the PID namespace of strace. */
const IN_NAMESPACE = /^\d{1,7}(?:<[^>]{0,60}>)? \/\* (\d{1,7}) in strace's PID NS \*\//;

/**
 * Reads the result of a call.
 * @param text - the text after the equals sign
 * @returns undefined if the text is not a result
 */
export function readStraceResult(text: string): StraceResult | undefined {
  const match = RESULT.exec(text);
  if (match === null) return undefined;
  const [, word = "", name, number] = match;
  if (word === "?") return { value: undefined, failed: false };
  if (word !== "-1") return { value: BigInt.asIntN(64, BigInt(IN_NAMESPACE.exec(text)?.[1] ?? word)), failed: false };
  const errno = name === undefined ? Number(number ?? 1) : ERROR_NUMBERS.get(name);
  return errno === undefined ? undefined : { value: -BigInt(errno), failed: true };
}
