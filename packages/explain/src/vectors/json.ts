import { KpkeysError, quote } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";

/** No vector comes near: tables, disputes and flags are one or two levels deep. */
const DEEPEST = 16;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

/**
 * Parses a vector.
 * @param text - a JSON object
 * @param expected - what is right, for errors
 * @throws KpkeysError ERR_VECTOR_LINE for what is no JSON object, has a field twice or is nested too deep
 */
export function parseVector(text: string, expected: string): Vector {
  const damaged = (what: string): KpkeysError => new KpkeysError("ERR_VECTOR_LINE", what, { expected });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(`the line is not JSON (${(error as SyntaxError).message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw damaged("the line is not a JSON object");
  const wrong = isPlain(text, value) ? undefined : findWrong(text);
  if (wrong !== undefined) throw damaged(wrong);
  return value as Vector;
}

/** Whether the value is written as JSON.stringify writes it, which costs less than looking for a field that is there twice. */
function isPlain(text: string, value: object): boolean {
  const openings = text.match(/[[{]/g)!.length;
  return openings <= DEEPEST && JSON.stringify(value) === text;
}

/** JSON.parse takes the last of several fields of one name. @returns what is wrong with a text that is JSON */
function findWrong(text: string): string | undefined {
  /** The fields of each object that is open, by its depth; a list has none. */
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : undefined);
      if (open.length > DEEPEST) return `values are nested more than ${DEEPEST} deep`;
    } else if (token === "}" || token === "]") open.pop();
    const fields = open.at(-1);
    if (token.startsWith('"') && isName && fields !== undefined) {
      const name = JSON.parse(token) as string;
      if (fields.has(name)) return `field ${quote(name)} is there twice`;
      fields.add(name);
    }
    isName = token === "{" || token === ",";
  }
  return undefined;
}
