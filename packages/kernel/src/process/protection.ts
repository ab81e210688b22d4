import { Prot } from "@kpkeys/core/contracts";
import type { PageTableFormat, Protection } from "@kpkeys/core/contracts";
import type { Vma } from "./vma.js";

/**
 * The protection of a leaf in a mapping: `vm_page_prot`. A private mapping's pages are read-only until one is written.
 * @param format - the codec
 * @param vma - the mapping
 * @param writable - whether the page may be written now
 */
export function leafProtection(format: PageTableFormat, { prot }: Vma, writable: boolean): Protection {
  const { protections } = format;
  if ((prot & (Prot.READ | Prot.WRITE | Prot.EXEC)) === 0) return protections.PAGE_NONE;
  const executable = (prot & Prot.EXEC) !== 0;
  if (writable && (prot & Prot.WRITE) !== 0) return executable ? protections.PAGE_SHARED_EXEC : protections.PAGE_SHARED;
  return executable ? protections.PAGE_READONLY_EXEC : protections.PAGE_READONLY;
}
