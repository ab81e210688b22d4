import type { UserLayout } from "@kpkeys/core/contracts";
import type { Program } from "./program.js";
import { RECORDED_LAYOUTS } from "./recorded-layouts.js";

/** Minimum gap of mmap_base between the mmap area and the stack: MIN_GAP of mm/util.c, gap_min of arch/x86/mm/mmap.c. */
const MINIMUM_GAP = 128n << 20n;

/** Assumed maximum size of all images of a program. */
const IMAGE_BYTES = 1n << 30n;

/** The areas of one user half, in pages. */
interface Areas {
  readonly end: number;
  readonly lowest: number;
  readonly mmap: number;
  readonly stack: number;
  /** Maximum distance of two pages of an image, and of an image and the heap above it. */
  readonly imageSpan: number;
}

/** Classifies user addresses by the layout of the recorded kernel. */
export class UserAreas {
  /** Layouts by size, the smallest first. */
  private readonly candidates: readonly Areas[];
  private current = 0;

  /**
   * @param own - the machine's layout, which replaces the recorded layout of the same size
   * @param pageShift - log2 of the page size
   */
  constructor(own: UserLayout, pageShift: number) {
    const others = RECORDED_LAYOUTS.filter(({ stackTop }) => stackTop !== own.stackTop);
    this.candidates = [own, ...others]
      .sort((a, b) => (a.stackTop < b.stackTop ? -1 : 1))
      .map((layout) => areasOf(layout, pageShift));
  }

  /** The smallest layout that contains this page and all earlier ones. Stacks are at its end, so the first faults select it. */
  private holding(page: number): Areas {
    while (this.current < this.candidates.length - 1 && page >= this.candidates[this.current]!.end) this.current++;
    return this.candidates[this.current]!;
  }

  /**
   * Whether a page is in the stack area.
   * @param page - virtual page
   */
  isStack(page: number): boolean {
    return page >= this.holding(page).stack;
  }

  /**
   * Whether a fault outside every known mapping may be in a mapping of execve or of a call that is not traced: near an image, between an
   * image and the heap, or in the mmap area. Otherwise the access ended in a signal.
   * @param program - the program
   * @param page - virtual page
   */
  mayBeMapped({ fromBefore, heapStart, anchors }: Program, page: number): boolean {
    const { lowest, mmap, imageSpan } = this.holding(page);
    if (page < lowest) return false;
    if (fromBefore || page >= mmap) return true;
    // The heap is above the images; nothing is mapped directly above it.
    if (heapStart !== undefined && page >= heapStart && page < heapStart + imageSpan) return false;
    if (anchors.some((anchor) => Math.abs(page - anchor) < imageSpan)) return true;
    if (heapStart !== undefined) return page < heapStart && page >= heapStart - imageSpan;
    anchors.push(page);
    return true;
  }
}

function areasOf({ lowest, stackTop, stackRandom, mmapRandom, brkRandom }: UserLayout, pageShift: number): Areas {
  const pages = (bytes: bigint): number => Number(bytes >> BigInt(pageShift));
  const stack = stackTop - stackRandom - MINIMUM_GAP;
  return {
    end: pages(stackTop),
    lowest: Number((lowest + (1n << BigInt(pageShift)) - 1n) >> BigInt(pageShift)),
    mmap: pages(stack - mmapRandom),
    stack: pages(stack),
    imageSpan: pages(IMAGE_BYTES + brkRandom),
  };
}
