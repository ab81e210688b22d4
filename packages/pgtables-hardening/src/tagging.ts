import { lazily } from "@kpkeys/core";
import { LinearMap, SetMemory } from "@kpkeys/core/contracts";
import type { DependencyContainer, Errno, Pfn, Pkey } from "@kpkeys/core/contracts";

/** Gives pages keys. */
export interface Tagging {
  /**
   * In the linear map: `set_memory_pkey`.
   * @param pfn - first page-frame number
   * @param pages - number of 4 KiB pages
   * @param pkey - the key's number
   * @returns 0 or an error
   */
  linear(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno;
  /**
   * In the kernel image's own mapping.
   * @param pfn - first page-frame number, inside the image
   * @param pages - number of 4 KiB pages
   * @param pkey - the key's number
   * @returns 0 or an error
   */
  image(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno;
}

/**
 * Finds the kernel's services when they are first used: a feature is set up before the kernel is built.
 *
 * @param container - the machine's container
 * @returns what gives pages keys
 */
export function createTagging(container: DependencyContainer): Tagging {
  const linearMap = lazily(container, LinearMap);
  const setMemory = lazily(container, SetMemory);
  return {
    linear: (pfn, pages, pkey) => setMemory().setMemoryPkey(linearMap().pageOf(pfn), pages, pkey),
    image: (pfn, pages, pkey) => setMemory().setImagePkey(pfn, pages, pkey),
  };
}
