import { KpkeysError } from "@kpkeys/core";
import { createOopsReader } from "@kpkeys/core/machine";
import type { OopsReport } from "@kpkeys/core/machine";
import { createLineBlocks, openTrace } from "@kpkeys/workloads";
import type { Explainer } from "./explainers.js";

/** The name of standard input on the command line. */
const STDIN = "-";
const TEXT = "a kernel log as text, plain or gzip";
const NEWLINE = "\n";

/** The first fault report of a log, and where it is. */
export interface LogReport extends OopsReport {
  /** The file; `stdin` if it is that. */
  readonly file: string;
}

/**
 * Finds the first fault report in a kernel log.
 *
 * @param path - the file, or `-` for stdin
 * @param explainers - the architectures that may be meant
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_EXPLAIN_NO_OOPS when there is none;
 * ERR_EXPLAIN_LIMIT when it is of a system that the model does not cover
 */
export async function readLog(path: string, explainers: readonly Explainer[]): Promise<LogReport> {
  const file = path === STDIN ? "stdin" : path;
  const reader = createOopsReader(explainers.flatMap(({ id, tools: { oops } }) => (oops ? [[id, oops] as const] : [])));
  let lines = 0;
  const blocks = createLineBlocks(
    ({ buffer, byteOffset }, end) => {
      const text = Buffer.from(buffer, byteOffset, end).toString();
      for (const line of text.slice(0, -1).split(NEWLINE)) {
        lines++;
        reader.take(line);
      }
    },
    () => {
      lines++;
      reader.take("");
    },
  );
  for await (const chunk of await chunksOf(path, () => `${lines} lines`)) blocks.push(chunk);
  blocks.finish();

  const report = reader.finish();
  if (report === undefined) {
    throw new KpkeysError("ERR_EXPLAIN_NO_OOPS", `no fault report in ${lines} lines`, {
      where: file,
      expected: `one of ${explainers.map(({ id }) => id).join(" or ")}, or the values as flags`,
    });
  }
  if (report.foreign !== undefined) {
    throw new KpkeysError("ERR_EXPLAIN_LIMIT", `the fault report is of ${report.foreign}`, {
      where: file,
      expected: `one of ${explainers.map(({ id }) => id).join(" or ")}`,
    });
  }
  return { ...report, file };
}

async function chunksOf(path: string, reached: () => string): Promise<AsyncIterable<Uint8Array>> {
  return path === STDIN ? (process.stdin as AsyncIterable<Uint8Array>) : (await openTrace(path, TEXT)).chunks(reached);
}
