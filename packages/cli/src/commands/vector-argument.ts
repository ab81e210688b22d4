import { KpkeysError, quote } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";
import { parseVector, readVectors, VECTORS_TEXT } from "@kpkeys/explain";
import { openTrace } from "@kpkeys/workloads/node";

const EXPECTED = "a line of a vector file as JSON, or FILE:LINE";

/**
 * Reads the argument of `--vector`.
 * @param text - a JSON object, or `FILE:LINE`; lines are counted from 1
 * @returns the vector
 * @throws KpkeysError ERR_VECTOR_LINE, ERR_EXPLAIN_INPUT; ERR_INPUT_MISSING, ERR_INPUT_KIND for the file
 */
export async function readVectorArgument(text: string): Promise<Vector> {
  if (text.trimStart().startsWith("{")) return parseVector(text, EXPECTED);
  const [, path, number] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (path === undefined) throw inputError(`${quote(text)} is not a vector`, EXPECTED);
  const wanted = Number(number);
  let found: Vector | undefined;
  const lines = await readVectors(
    await openTrace(path, VECTORS_TEXT),
    (vector, line) => {
      if (line === wanted) found = vector;
    },
    () => undefined,
  );
  if (found === undefined) throw inputError(`${path} has no line ${wanted}`, `1 to ${lines}`);
  return found;
}

function inputError(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected });
}
