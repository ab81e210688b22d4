import { toPfn } from "@kpkeys/core/contracts";
import type { EarlyMemory, Pfn } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";

/** Early table pages, carved from whole blocks of memblock's so that keying them splits the linear map once a block. */
export interface EarlyBlocks {
  /**
   * Takes a page, the topmost of the current block that is not used yet.
   * @param memory - memblock
   * @returns its page-frame number, or `undefined` when memblock has no block left: whoever asks takes a single page, of which nobody keeps a
   *   record, so that it stays unprotected
   */
  take(memory: EarlyMemory): Pfn | undefined;
  /**
   * Gives the used tail of every block the key, and its unused head to the buddy allocator: `memblock_free_late`.
   * @param memory - memblock
   */
  finalise(memory: EarlyMemory): void;
}

/** A block and where its used tail begins. */
interface EarlyBlock {
  readonly pfn: Pfn;
  used: Pfn;
}

/**
 * Makes the early allocator as v6 has it, before v7 simplified it to patch 13, "mm: kpkeys: Introduce early page table allocator".
 * @param blockPages - pages of a block: those of the first refill order
 * @param hardening - key and tagging
 * @returns no block yet
 */
export function createEarlyBlocks(blockPages: number, { pkey, tagging, warnOn }: Hardening): EarlyBlocks {
  let blocks: EarlyBlock[] = [];

  function begin(memory: EarlyMemory): EarlyBlock | undefined {
    const pfn = memory.alloc(blockPages, blockPages);
    if (pfn === undefined) return undefined;
    const block: EarlyBlock = { pfn, used: toPfn(pfn + blockPages) };
    blocks.push(block);
    return block;
  }

  return {
    take(memory) {
      const last = blocks.at(-1);
      const block = last !== undefined && last.used > last.pfn ? last : begin(memory);
      warnOn(block === undefined, "memblock has no block left for early table pages: one stays unprotected");
      if (block === undefined) return undefined;
      return (block.used = toPfn(block.used - 1));
    },
    finalise(memory) {
      const finished = blocks;
      blocks = [];
      for (const { pfn, used } of finished) {
        const tail = pfn + blockPages - used;
        const errno = tagging.linear(used, tail, pkey);
        warnOn(errno !== 0, `${tail} early table pages from ${used} cannot get the key PGTABLES: ${errno}`);
        if (used > pfn) memory.freeLate(pfn, used - pfn);
      }
    },
  };
}
