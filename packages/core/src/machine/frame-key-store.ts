import { toPkey } from "../contracts/numbers.js";
import type { Cpus, FrameKeys, Pfn, Pkey } from "../contracts/index.js";

/** log2 of the frames of a chunk. A chunk without a key other than 0 has no memory. */
const CHUNK_SHIFT = 16;
const CHUNK_FRAMES: number = 2 ** CHUNK_SHIFT;

/**
 * The keys of a machine's frames, one byte for each.
 *
 * ```text
 *   page-frame number   | 16 and up      | 15 ........... 0 |
 *                       | chunk          | byte in the chunk |
 * ```
 */
export class FrameKeyStore implements FrameKeys {
  private readonly chunks = new Map<number, Uint8Array>();

  /** @param cpus - returns the machine's CPUs, whose TLBs {@link invalidate} changes: `lazily(container, Cpus)` */
  constructor(private readonly cpus: () => Cpus) {}

  get(pfn: Pfn): Pkey {
    const chunk = this.chunks.get(pfn >>> CHUNK_SHIFT);
    return toPkey(chunk === undefined ? 0 : chunk[pfn & (CHUNK_FRAMES - 1)]!);
  }

  set(pfn: Pfn, pkey: Pkey): void {
    const number = pfn >>> CHUNK_SHIFT;
    let chunk = this.chunks.get(number);
    if (chunk === undefined) {
      if (pkey === 0) return;
      chunk = new Uint8Array(CHUNK_FRAMES);
      this.chunks.set(number, chunk);
    }
    chunk[pfn & (CHUNK_FRAMES - 1)] = pkey;
  }

  invalidate(pfn: Pfn, pages: number): void {
    for (const { mmu } of this.cpus().all) mmu.invalidateFrames(pfn, pages);
  }
}
