import { Gfp } from "@kpkeys/core/contracts";

/** Flags that the allocator knows how to follow besides GFP_KERNEL. */
const OPTIONAL = Gfp.ZERO | Gfp.ACCOUNT | Gfp.PGTABLE_SPLIT;

/**
 * Whether the allocator can do all that an allocation asks for: GFP_KERNEL, and of the others only those that it follows by hand
 * because the pages in its pool never pass through the buddy allocator again.
 * @param gfp - {@link Gfp} bits
 */
export function isAllowed(gfp: number): boolean {
  return (gfp & Gfp.KERNEL) !== 0 && (gfp & ~(Gfp.KERNEL | OPTIONAL)) === 0;
}
