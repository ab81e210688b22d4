import { createLineBlocks } from "@kpkeys/core";
import type { InputText } from "@kpkeys/core";
import type { Explainer } from "./explainer.js";
import { OopsReader } from "./oops.js";
import type { OopsReport } from "./oops.js";

/** Description of a log, for the function that opens it. */
export const LOG_TEXT = "a kernel log as text, plain or gzip";
const NEWLINE = "\n";

/** The explained fault report of a log, and the name of the log. */
export interface LogReport extends OopsReport {
  /** Name of the log, for messages. */
  readonly file: string;
}

/**
 * Finds the first fault report in a kernel log, in memory that does not grow with it.
 *
 * @param log - its text
 * @param explainers - the possible architectures
 * @throws KpkeysError ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_EXPLAIN_NO_OOPS if there is none;
 * ERR_EXPLAIN_LIMIT for a system that the model does not cover
 */
export async function readLog(log: InputText, explainers: readonly Explainer[]): Promise<LogReport> {
  const reader = new OopsReader(explainers);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const blocks = createLineBlocks(
    (bytes, end) => {
      for (const line of decoder.decode(bytes.subarray(0, end - 1)).split(NEWLINE)) reader.push(line);
    },
    () => {
      reader.push("");
    },
  );
  for await (const chunk of log.chunks(() => `${reader.lines} lines`)) blocks.push(chunk);
  blocks.finish();
  return { ...reader.finish(log.where), file: log.where };
}
