import { createLineBlocks, KpkeysError, LONGEST_LINE } from "@kpkeys/core";
import type { InputText } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";
import { parseVector } from "./json.js";

/** Description of a vector file, for the function that opens it. */
export const VECTORS_TEXT = "architectural vectors as JSON Lines, plain or gzip";
const OBJECT = "one JSON object a line";
const NEWLINE = 10;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a file of architectural vectors, in memory that does not grow with it.
 *
 * @param input - its text
 * @param onVector - called with each line and its number from 1. A KpkeysError that it throws ends the reading and is thrown with
 * file and line
 * @param onProgress - called after each chunk with the bytes read so far, compressed if the file is, and the size in bytes, 0 for a pipe
 * @returns the number of lines
 * @throws KpkeysError ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_VECTOR_LINE for an invalid line; ERR_VECTOR_EMPTY
 * for an empty file
 */
export async function readVectors(
  input: InputText,
  onVector: (vector: Vector, line: number) => void,
  onProgress: (read: number, size: number) => void,
): Promise<number> {
  const { where } = input;
  let lines = 0;

  function readLine(bytes: Uint8Array): void {
    lines++;
    try {
      onVector(parse(bytes), lines);
    } catch (error) {
      throw placed(where, lines, error);
    }
  }

  const blocks = createLineBlocks(
    (bytes, end) => {
      for (let start = 0; start < end;) {
        const newline = bytes.indexOf(NEWLINE, start);
        readLine(bytes.subarray(start, newline));
        start = newline + 1;
      }
    },
    () => {
      throw placed(where, lines + 1, damaged(`the line is longer than ${LONGEST_LINE} bytes`));
    },
  );

  let damage: KpkeysError | undefined;
  for await (const chunk of input.chunks(() => `${lines} lines`)) {
    try {
      if (damage === undefined) blocks.push(chunk);
    } catch (error) {
      // An invalid line in a gzip file may be caused by a corrupt file: read to the end, so that the checksum is verified first.
      if (!input.compressed || !(error instanceof KpkeysError)) throw error;
      damage = error;
    }
    onProgress(input.consumed(), input.size);
  }
  if (damage !== undefined) throw damage;
  blocks.finish();
  if (lines === 0) throw new KpkeysError("ERR_VECTOR_EMPTY", "the file is empty", { where, expected: VECTORS_TEXT });
  return lines;
}

/** @throws KpkeysError ERR_VECTOR_LINE */
function parse(bytes: Uint8Array): Vector {
  if (bytes.length === 0) throw damaged("the line is empty");
  return parseVector(decode(bytes), OBJECT);
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw damaged("the line is not UTF-8");
  }
}

function damaged(what: string): KpkeysError {
  return new KpkeysError("ERR_VECTOR_LINE", what, { expected: OBJECT });
}

/** Adds file and line to a KpkeysError; returns any other error unchanged. */
function placed(file: string, line: number, error: unknown): unknown {
  if (!(error instanceof KpkeysError)) return error;
  return new KpkeysError(error.code, error.message, { where: `${file}:${line}`, cause: error });
}
