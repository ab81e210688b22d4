import { KpkeysError } from "@kpkeys/core";
import { readKtap } from "@kpkeys/kunit-suite";
import { openTrace } from "@kpkeys/workloads";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { isGoodKtap, ktapReportOf, ktapTextOf } from "../report/ktap.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

const STDIN = "-";
const TEXT = "a KTAP document or a console log, plain or gzip";
/** A document is read as a whole. A kernel that runs every suite that there is prints a hundredth of this. */
const MOST_BYTES = 256 * 2 ** 20;

/**
 * `kpkeys ktap`: reads a KTAP document.
 * @param file - the file, or `-` for stdin
 * @param flags - the command line's
 * @returns the exit status: 1 when a test failed or the document is not as it should be
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED
 */
export async function ktap(file: string, flags: Pick<CommonFlags, "json">): Promise<number> {
  const chunks =
    file === STDIN ? (process.stdin as AsyncIterable<Uint8Array>) : (await openTrace(file, TEXT)).chunks(() => "");
  const document = readKtap(await textOf(file, chunks));
  const name = file === STDIN ? "stdin" : file;
  if (flags.json === true) printJson(ktapReportOf(name, document));
  else print(ktapTextOf(name, document, styleFor(process.stdout)));
  return isGoodKtap(document) ? EXIT.GOOD : EXIT.FAILED;
}

/** A chunk is valid until the next is asked for. */
async function textOf(file: string, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const copies: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) {
      throw new KpkeysError("ERR_INPUT_KIND", `more than ${MOST_BYTES / 2 ** 20} MiB of text`, {
        where: file,
        expected: TEXT,
      });
    }
    copies.push(Buffer.from(chunk));
  }
  return Buffer.concat(copies).toString();
}
