import { isUtf8 } from "node:buffer";
import { KpkeysError } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";
import { createLineBlocks, LONGEST_LINE } from "@kpkeys/workloads";
import { openTrace } from "@kpkeys/workloads/node";
import { parseVector } from "../vectors/json.js";

const TEXT = "architectural vectors as JSON Lines, plain or gzip";
const OBJECT = "one JSON object a line";
const NEWLINE = 10;

/**
 * Reads a file of architectural vectors, plain or gzip by its content, in memory that does not grow with it.
 *
 * @param path - the file
 * @param onVector - takes each line in turn, with its number from 1 on. An error of the project's that it throws ends the
 * reading and is thrown with file and line
 * @param onProgress - called now and then with bytes of the file read so far and its size in bytes, 0 for a pipe
 * @returns how many lines there were
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_VECTOR_LINE at a damaged line; ERR_VECTOR_EMPTY
 * when there is no line
 */
export async function readVectors(
  path: string,
  onVector: (vector: Vector, line: number) => void,
  onProgress: (read: number, size: number) => void,
): Promise<number> {
  let lines = 0;

  function takeLine(bytes: Buffer): void {
    lines++;
    try {
      onVector(parse(bytes), lines);
    } catch (error) {
      throw placed(path, lines, error);
    }
  }

  const blocks = createLineBlocks(
    ({ buffer, byteOffset }, end) => {
      const block = Buffer.from(buffer, byteOffset, end);
      for (let start = 0; start < end;) {
        const newline = block.indexOf(NEWLINE, start);
        takeLine(block.subarray(start, newline));
        start = newline + 1;
      }
    },
    () => {
      throw placed(path, lines + 1, damaged(`the line is longer than ${LONGEST_LINE} bytes`));
    },
  );

  const file = await openTrace(path, TEXT);
  let damage: KpkeysError | undefined;
  for await (const chunk of file.chunks(() => `${lines} lines`)) {
    try {
      if (damage === undefined) blocks.push(chunk);
    } catch (error) {
      // A damaged line in a gzip file may come of a damaged file, which its checksum shows: read on, without parsing.
      if (!file.compressed || !(error instanceof KpkeysError)) throw error;
      damage = error;
    }
    onProgress(file.consumed(), file.size);
  }
  if (damage !== undefined) throw damage;
  blocks.finish();
  if (lines === 0) throw new KpkeysError("ERR_VECTOR_EMPTY", "the file is empty", { where: path, expected: TEXT });
  return lines;
}

/** @throws KpkeysError ERR_VECTOR_LINE */
function parse(bytes: Buffer): Vector {
  if (bytes.length === 0) throw damaged("the line is empty");
  if (!isUtf8(bytes)) throw damaged("the line is not UTF-8");
  return parseVector(bytes.toString(), OBJECT);
}

function damaged(what: string): KpkeysError {
  return new KpkeysError("ERR_VECTOR_LINE", what, { expected: OBJECT });
}

/** An error of the project's with file and line before it; any other as it is. */
function placed(path: string, line: number, error: unknown): unknown {
  if (!(error instanceof KpkeysError)) return error;
  return new KpkeysError(error.code, error.message, { where: `${path}:${line}`, cause: error });
}
