import { KpkeysError, quote } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";
import { parseVector, readVectors, VECTORS_TEXT } from "@kpkeys/explain";
import { openTrace } from "@kpkeys/workloads/node";

const EXPECTED = "a line of a vector file as JSON, or FILE:LINE";

/**
 * Reads the argument of `--vector`.
 * @param text - a JSON object, or a file and the number of a line, from 1 on
 * @throws KpkeysError ERR_VECTOR_LINE, ERR_EXPLAIN_INPUT, and what reading a vector file throws
 */
export async function readVectorArgument(text: string): Promise<Vector> {
  if (text.trimStart().startsWith("{")) return parseVector(text, EXPECTED);
  const [, path, number] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (path === undefined) throw refuse(`${quote(text)} is no vector`, EXPECTED);
  const wanted = Number(number);
  let found: Vector | undefined;
  const lines = await readVectors(
    await openTrace(path, VECTORS_TEXT),
    (vector, line) => {
      if (line === wanted) found = vector;
    },
    () => undefined,
  );
  if (found === undefined) throw refuse(`${path} has no line ${wanted}`, `1 to ${lines}`);
  return found;
}

function refuse(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected });
}
