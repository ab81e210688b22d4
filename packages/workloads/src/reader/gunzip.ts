import { Inflate, Z_SYNC_FLUSH } from "pako";
import { cutGzip, damagedGzip } from "./gzip-errors.js";

/** How much is unpacked at once, in bytes: of gzip, a byte becomes a thousand at most. */
const PART = 16 << 10;
/** Window bits for gzip alone; with pako's default, zlib's format is accepted as well. */
const GZIP = 31;

/**
 * Unpacks gzip data of any number of members, in memory that does not grow with it. The browser's own DecompressionStream takes a
 * single member, and drops text before a cut.
 *
 * @param where - the stream, for messages
 * @param blocks - the data, cut anywhere
 * @param reached - the progress of the reader, for the message about data that end early
 * @throws KpkeysError ERR_INPUT_TRUNCATED; ERR_INPUT_KIND for damaged data
 */
export async function* gunzip(
  where: string,
  blocks: AsyncIterable<Uint8Array>,
  reached: () => string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let unpacked: Uint8Array[] = [];
  const begin = (): Inflate => {
    const inflate = new Inflate({ windowBits: GZIP });
    inflate.onData = (chunk) => unpacked.push(chunk);
    return inflate;
  };
  let member = begin();
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += PART) {
      // A member that ends where a part ends is followed by another, or by padding with zeros.
      if (member.ended && block[at] !== 0) member = begin();
      unpacked = [];
      if (!member.push(block.subarray(at, at + PART), Z_SYNC_FLUSH)) throw damagedGzip(where, member.msg, reached());
      yield* unpacked;
    }
  }
  if (!member.ended) throw cutGzip(where, reached());
}
