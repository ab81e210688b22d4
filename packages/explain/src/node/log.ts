import { createLineBlocks } from "@kpkeys/workloads";
import { openTrace } from "@kpkeys/workloads/node";
import type { Explainer } from "../explanation/explainer.js";
import { OopsReader } from "../explanation/oops.js";
import type { OopsReport } from "../explanation/oops.js";

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
  const reader = new OopsReader(explainers);
  const blocks = createLineBlocks(
    ({ buffer, byteOffset }, end) => {
      const text = Buffer.from(buffer, byteOffset, end).toString();
      for (const line of text.slice(0, -1).split(NEWLINE)) reader.take(line);
    },
    () => {
      reader.take("");
    },
  );
  for await (const chunk of await chunksOf(path, () => `${reader.lines} lines`)) blocks.push(chunk);
  blocks.finish();
  return { ...reader.finish(file), file };
}

async function chunksOf(path: string, reached: () => string): Promise<AsyncIterable<Uint8Array>> {
  return path === STDIN ? (process.stdin as AsyncIterable<Uint8Array>) : (await openTrace(path, TEXT)).chunks(reached);
}
