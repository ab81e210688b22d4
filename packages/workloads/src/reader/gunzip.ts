import { Inflate, Z_SYNC_FLUSH } from "pako";
import { cutGzip, damagedGzip } from "./gzip-errors.js";

/** Compressed bytes unpacked at once. A byte of gzip becomes at most about a thousand. */
const PART = 16 << 10;
/** Window bits that accept gzip only; by default pako also accepts the zlib format. */
const GZIP = 31;

/**
 * Unpacks gzip data with any number of members in constant memory. The browser's DecompressionStream supports one member only and
 * drops text before a cut.
 *
 * @param where - the stream, for errors
 * @param blocks - the data, divided at any place
 * @param reached - returns the place that the reader has reached, for errors
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
      // After a member that ends with its part, the next byte begins another member or is a zero of the padding.
      if (member.ended && block[at] !== 0) member = begin();
      unpacked = [];
      if (!member.push(block.subarray(at, at + PART), Z_SYNC_FLUSH)) throw damagedGzip(where, member.msg, reached());
      yield* unpacked;
    }
  }
  if (!member.ended) throw cutGzip(where, reached());
}
