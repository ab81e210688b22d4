import { createLineBlocks, KpkeysError } from "@kpkeys/core";
import { KtapReader } from "@kpkeys/kunit-suite";
import type { KtapDocument } from "@kpkeys/kunit-suite";
import { openTrace } from "@kpkeys/workloads/node";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { isGoodKtap, ktapReportOf, ktapTextOf } from "../report/ktap.js";
import { printReport } from "./print.js";

const STDIN = "-";
const TEXT = "a KTAP document or a console log, plain or gzip";
const NEWLINE = 10;
/** Limits of an input: about a hundred times the log of a kernel that runs every suite of Linux. */
const MOST_BYTES = 256 * 2 ** 20;
const MOST_LINES = 10_000_000;

/**
 * `kpkeys ktap`: reads the KTAP documents of a log, line by line.
 * @param file - the file, or `-` for stdin
 * @param flags - the command line's
 * @returns the exit status: 1 when a test failed, or a result is missing or cannot be read
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND (also for a log that is too long), ERR_INPUT_TRUNCATED
 */
export async function ktap(file: string, flags: Pick<CommonFlags, "json">): Promise<number> {
  const chunks =
    file === STDIN ? (process.stdin as AsyncIterable<Uint8Array>) : (await openTrace(file, TEXT)).chunks(() => "");
  const document = await read(file, chunks);
  const name = file === STDIN ? "stdin" : file;
  printReport(flags.json, ktapReportOf(name, document), (style) => ktapTextOf(name, document, style));
  return isGoodKtap(document) ? EXIT.GOOD : EXIT.FAILED;
}

async function read(file: string, chunks: AsyncIterable<Uint8Array>): Promise<KtapDocument> {
  const reader = new KtapReader();
  let bytes = 0;
  let lines = 0;

  const blocks = createLineBlocks(
    ({ buffer, byteOffset }, end) => {
      const block = Buffer.from(buffer, byteOffset, end);
      for (let start = 0; start < end; lines++) {
        // No string for a blank line: a small compressed file can hold millions of them.
        const newline = block[start] === NEWLINE ? start : block.indexOf(NEWLINE, start);
        if (newline === start) reader.skip(1);
        else reader.push(block.toString("utf8", start, newline));
        start = newline + 1;
      }
      if (lines > MOST_LINES) throw tooLong(file, `${MOST_LINES} lines`);
    },
    () => {
      lines++;
      reader.pushLong();
    },
  );

  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw tooLong(file, `${MOST_BYTES / 2 ** 20} MiB of text`);
    blocks.push(chunk);
  }
  blocks.finish();
  return reader.finish();
}

function tooLong(file: string, limit: string): KpkeysError {
  return new KpkeysError("ERR_INPUT_KIND", `more than ${limit}`, {
    where: file === STDIN ? "stdin" : file,
    expected: `${TEXT}, in parts`,
  });
}
