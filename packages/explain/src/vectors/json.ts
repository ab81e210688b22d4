import { KpkeysError, quote } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";

/** Largest nesting depth. Tables, disputes and flags are one or two levels deep. */
const DEEPEST = 16;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g;

/**
 * Parses a vector.
 * @param text - a JSON object
 * @param expected - the valid form, for errors
 * @throws KpkeysError ERR_VECTOR_LINE for text that is not a JSON object, has a field twice or is nested too deep
 */
export function parseVector(text: string, expected: string): Vector {
  const invalid = (what: string): KpkeysError => new KpkeysError("ERR_VECTOR_LINE", what, { expected });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the line is not JSON (${(error as SyntaxError).message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("the line is not a JSON object");
  const defect = isPlain(text, value) ? undefined : findDefect(text);
  if (defect !== undefined) throw invalid(defect);
  return value as Vector;
}

/** Fast path: whether the text equals the output of JSON.stringify, so that no field is there twice. */
function isPlain(text: string, value: object): boolean {
  const openings = text.match(/[[{]/g)!.length;
  return openings <= DEEPEST && JSON.stringify(value) === text;
}

/** JSON.parse uses the last of several fields with one name. @returns the defect of a text that is valid JSON */
function findDefect(text: string): string | undefined {
  /** The fields of each open object, by depth; a list has none. */
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
