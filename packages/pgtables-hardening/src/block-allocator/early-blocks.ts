import { toPfn } from "@kpkeys/core/contracts";
import type { EarlyMemory, Pfn } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";

/** A block and the start of its used tail, as page-frame numbers. */
interface EarlyBlock {
  readonly pfn: Pfn;
  used: Pfn;
}

/**
 * Early table pages, carved from whole blocks of memblock's memory so that setting the key splits the linear map once for each block.
 * This is v6's form; v7 simplified it to patch 13, "mm: kpkeys: Introduce early page table allocator".
 */
export class EarlyBlocks {
  private blocks: EarlyBlock[] = [];

  /**
   * @param blockPages - pages of a block: those of the first refill order
   * @param hardening - sets the key
   */
  constructor(
    private readonly blockPages: number,
    private readonly hardening: Hardening,
  ) {}

  /**
   * Allocates a page: the topmost unused one of the current block.
   * @param memory - memblock
   * @returns its page-frame number, or `undefined` if memblock has no block left; the caller then allocates a single page, which is not
   *   recorded and stays unprotected
   */
  alloc(memory: EarlyMemory): Pfn | undefined {
    const last = this.blocks.at(-1);
    const block = last !== undefined && last.used > last.pfn ? last : this.begin(memory);
    if (block !== undefined) return (block.used = toPfn(block.used - 1));
    this.hardening.warn("cannot allocate a block for early table pages: one table page stays unprotected");
    return undefined;
  }

  /**
   * Sets the key on the used tail of every block and frees its unused head to the buddy allocator: `memblock_free_late`.
   * @param memory - memblock
   */
  finalise(memory: EarlyMemory): void {
    const finished = this.blocks;
    this.blocks = [];
    for (const { pfn, used } of finished) {
      this.hardening.protect("early table pages", used, pfn + this.blockPages - used);
      if (used > pfn) memory.freeLate(pfn, used - pfn);
    }
  }

  private begin(memory: EarlyMemory): EarlyBlock | undefined {
    const pfn = memory.alloc(this.blockPages, this.blockPages);
    if (pfn === undefined) return undefined;
    const block: EarlyBlock = { pfn, used: toPfn(pfn + this.blockPages) };
    this.blocks.push(block);
    return block;
  }
}
