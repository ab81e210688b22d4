import { fstatSync, writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { hexDigits, KpkeysError, outputFailure, printable } from "@kpkeys/core";
import { styleFor } from "../report/style.js";
import type { Style } from "../report/style.js";

/**
 * Prints a report on stdout, as a JSON document or as text.
 * @param json - whether `--json` was given
 * @param document - plain data
 * @param text - formats the text
 * @throws KpkeysError ERR_OUTPUT, as {@link print}
 */
export function printReport(json: true | undefined, document: object, text: (style: Style) => string): void {
  if (json === true) printJson(document);
  else print(text(styleFor(process.stdout)));
}

/**
 * Prints a report on stdout. Control characters are escaped, except colours on a terminal.
 * @param report - lines, the last with its newline
 * @throws KpkeysError ERR_OUTPUT when stdout is a file that cannot be written. Errors of a pipe reach the handler in {@link "../program.js"!main}
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
  // Node writes to a file once and ignores a short write: on a full disk the end of the report would be lost.
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; at += writeSync(1, bytes, at));
  } catch (cause) {
    throw outputFailure("stdout", cause);
  }
}

const ESCAPE = "\u001b";
/** A colour, or any other character except a newline that a terminal interprets. */
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

/** Characters that a terminal interprets and JSON.stringify does not escape: DEL, C1 controls, changes of text direction. */
const UNESCAPED = /[\u007f-\u009f\p{Cf}]/gu;

function escape(char: string): string {
  return Array.from({ length: char.length }, (_, at) => `\\u${hexDigits(char.charCodeAt(at), 4)}`).join("");
}

/**
 * Runs the work of a command that prints a `--json` document on failure too.
 * @param json - whether `--json` was given
 * @param empty - the document of a failure, without its error
 * @param work - returns the document
 * @throws the error of the work, after its document was printed
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
