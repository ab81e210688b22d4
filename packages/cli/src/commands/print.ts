import { fstatSync, writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { hexDigits, KpkeysError, outputFailure, printable } from "@kpkeys/core";

/**
 * Prints a report on stdout, without control characters other than those of its colours.
 * @param report - lines, the last with its newline
 * @throws KpkeysError ERR_OUTPUT where stdout is a file that cannot be written; of a pipe, {@link "../program.js"!main} is notified
 */
export function print(report: string): void {
  const text = report.replace(UNPRINTABLE, (found) => {
    const isColour = found.startsWith(ESCAPE) && found.length > 1;
    return isColour && process.stdout.isTTY ? found : printable(found);
  });
  if (!isMainThread || !isStdoutFile()) {
    process.stdout.write(text);
    return;
  }
  // Node writes a file once and does not look whether all of it was taken: on a disk that gets full, the end would be missing.
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; at += writeSync(1, bytes, at));
  } catch (cause) {
    throw outputFailure("stdout", cause);
  }
}

const ESCAPE = "\u001b";
/** A colour, or what else a terminal acts on but a newline. */
const UNPRINTABLE = new RegExp(`${ESCAPE}\\[[0-9;]*m|(?!\\n)[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]`, "gu");

function isStdoutFile(): boolean {
  try {
    return fstatSync(1).isFile();
  } catch {
    return false;
  }
}

/**
 * Prints a JSON document on stdout.
 * @param document - plain data
 */
export function printJson(document: object): void {
  print(`${JSON.stringify(document, undefined, 2).replace(UNESCAPED, escape)}\n`);
}

/** What JSON.stringify leaves as it is, and a terminal acts on: DEL, C1, changes of direction. The first 32 it escapes. */
const UNESCAPED = /[\u007f-\u009f\p{Cf}]/gu;

function escape(char: string): string {
  return Array.from({ length: char.length }, (_, at) => `\\u${hexDigits(char.charCodeAt(at), 4)}`).join("");
}

/**
 * Does the work of a command whose `--json` document must be there whatever the work comes to.
 * @param json - whether a document is wanted
 * @param empty - the document of a failure, without its error
 * @param work - gives the document
 * @throws what the work throws, after its document was printed
 */
export async function withErrorDocument<T>(json: boolean, empty: object, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (json && error instanceof KpkeysError) {
      printJson({ ...empty, error: { code: error.code, message: error.message } });
    }
    throw error;
  }
}
