import type { UserLayout } from "@kpkeys/core/contracts";
import type { Program } from "./program.js";
import { RECORDED_LAYOUTS } from "./recorded-layouts.js";

/** What mmap_base leaves at least between the mmap area and the highest stack: MIN_GAP of mm/util.c and of arch/x86/mm/mmap.c. */
const MINIMUM_GAP = 128n << 20n;

/** How large the images of a program are together at most, as far as this model assumes. */
const IMAGE_BYTES = 1n << 30n;

/** One user half in pages. */
interface Areas {
  readonly end: number;
  readonly lowest: number;
  readonly mmap: number;
  readonly stack: number;
  /** How far apart the pages of an image are, and an image from the heap above it. */
  readonly imageSpan: number;
}

/** What the addresses of a recording can be, by the user half of the kernel that was recorded. */
export class UserAreas {
  /** By their size, the smallest first. */
  private readonly candidates: readonly Areas[];
  private current = 0;

  /**
   * @param own - the machine's layout, preferred to others of its size
   * @param pageShift - log2 of the bytes of a page
   */
  constructor(own: UserLayout, pageShift: number) {
    const others = RECORDED_LAYOUTS.filter(({ stackTop }) => stackTop !== own.stackTop);
    this.candidates = [own, ...others]
      .sort((a, b) => (a.stackTop < b.stackTop ? -1 : 1))
      .map((layout) => areasOf(layout, pageShift));
  }

  /** The smallest half that holds a page and all asked for before: stacks and mappings are at its end, and so met at once. */
  private holding(page: number): Areas {
    while (this.current < this.candidates.length - 1 && page >= this.candidates[this.current]!.end) this.current++;
    return this.candidates[this.current]!;
  }

  /**
   * Whether a page is where stacks are.
   * @param page - virtual page
   */
  isStack(page: number): boolean {
    return page >= this.holding(page).stack;
  }

  /**
   * Whether a fault outside every mapping known may be in one that execve made, or a call that is not traced: where images are,
   * above them up to the heap, or in the mmap area. If not, the access ended in a signal.
   * @param program - the program
   * @param page - virtual page
   */
  mayBeMapped({ fromBefore, heapStart, anchors }: Program, page: number): boolean {
    const { lowest, mmap, imageSpan } = this.holding(page);
    if (page < lowest) return false;
    if (fromBefore || page >= mmap) return true;
    // Above the images is the heap, and above its end nothing for long.
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
