import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn, Vpn } from "@kpkeys/core/contracts";

/** BPF_PROG_CHUNK_SIZE: bytes of a chunk, the unit of allocation in a pack. */
export const CHUNK_BYTES = 64;

/** A run of bytes of one page. */
export interface PagePart {
  /** The page frame. */
  readonly pfn: Pfn;
  /** Bytes from the start of the page. */
  readonly offset: number;
  /** Bytes from the start of the run that was divided. */
  readonly done: number;
  /** Bytes of the part. */
  readonly bytes: number;
}

/**
 * `struct bpf_prog_pack`: pages for the images of several programs, and a bitmap of their chunks.
 *
 * ```text
 *   page 0                                              page 1
 *   | header, program A, traps | header, B, traps |  free chunks (traps) ...
 *   0                          128                192   bytes; multiples of 64
 * ```
 */
export class ProgPack {
  /** 1 for a chunk in use. */
  private readonly used: Uint8Array;

  /**
   * @param page - first page of the mapping that the CPU executes
   * @param frames - the page frames, which need not be contiguous
   * @param pageBytes - bytes of a page
   */
  constructor(
    readonly page: Vpn,
    readonly frames: readonly Pfn[],
    private readonly pageBytes: number,
  ) {
    this.used = new Uint8Array(this.bytes / CHUNK_BYTES);
  }

  /** Bytes of the pack. */
  get bytes(): number {
    return this.frames.length * this.pageBytes;
  }

  /** Whether no chunk is in use. */
  get isEmpty(): boolean {
    return !this.used.includes(1);
  }

  /**
   * Takes the first free run of chunks that is long enough: `bitmap_find_next_zero_area`.
   * @param bytes - a multiple of 64
   * @returns bytes from the start of the pack; `undefined` if no run is long enough
   */
  take(bytes: number): number | undefined {
    const { used } = this;
    const chunks = bytes / CHUNK_BYTES;
    for (let first = 0; first + chunks <= used.length;) {
      const lastUsed = used.subarray(first, first + chunks).lastIndexOf(1);
      if (lastUsed < 0) {
        used.fill(1, first, first + chunks);
        return first * CHUNK_BYTES;
      }
      first += lastUsed + 1;
    }
    return undefined;
  }

  /** Makes chunks free. @param offset - bytes from the start of the pack @param bytes - a multiple of 64 */
  release(offset: number, bytes: number): void {
    this.used.fill(0, offset / CHUNK_BYTES, (offset + bytes) / CHUNK_BYTES);
  }

  /** Divides a run of bytes at page boundaries. @param offset - bytes from the start of the pack @param bytes - its length */
  *parts(offset: number, bytes: number): Iterable<PagePart> {
    const { pageBytes } = this;
    for (let done = 0; done < bytes;) {
      const at = (offset + done) % pageBytes;
      const length = Math.min(pageBytes - at, bytes - done);
      yield { pfn: toPfn(this.frames[Math.floor((offset + done) / pageBytes)]!), offset: at, done, bytes: length };
      done += length;
    }
  }
}
