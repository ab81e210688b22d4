import { ERROR_NUMBERS } from "./strace-names.js";

/** A call as strace prints it, in parts. */
export interface StraceCall {
  /** The arguments, without spaces around them. */
  readonly args: readonly string[];
  /** What the call returned, from behind the equals sign to the line's end. */
  readonly result: string;
}

/**
 * Splits `name(argument, argument) = result`. Commas and parentheses inside strings, structures, comments and the names of files
 * that `-y` prints belong to the argument. Takes one pass, whatever the text is.
 *
 * @param text - the call, without its name and the first parenthesis
 * @returns undefined when the parenthesis is not closed, or no result follows it
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

/** What each bracket adds to the depth. */
const DEPTH: Readonly<Record<string, number>> = { "(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1 };

/** @returns the last position of the string, the name of a file or the comment that begins at a place; the place where none does */
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

/** @returns where the result begins behind the spaces and the equals sign at a place, or -1 */
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

/** What `-y` prints of a file ends at a bracket with the end of the argument behind it: a socket's has an arrow inside. */
function decorationEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && (text[at] !== ">" || !",)]} ".includes(text[at + 1] ?? ")"))) at++;
  return at;
}

/** @returns where a mark ends, or the text if it is not there */
function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length - 1;
}

/** What a call returned. */
export interface StraceResult {
  /** The value; undefined where strace prints `?`: the call did not return, or begins again. */
  readonly value: bigint | undefined;
  /** Whether it is an error: then the value is a negative errno. */
  readonly failed: boolean;
}

const RESULT = /^(\?|0x[0-9a-f]{1,16}|-?\d{1,20})(?=$|[ <])(?: (E[A-Z0-9]+)\b| \(errno (\d{1,4})\))?/;
/** The number of a process in strace's PID namespace, where the caller's has another. */
const IN_NAMESPACE = /^\d{1,7}(?:<[^>]{0,60}>)? \/\* (\d{1,7}) in strace's PID NS \*\//;

/**
 * Reads what a call returned.
 * @param text - from behind the equals sign on
 * @returns undefined when that is no result of strace's
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
