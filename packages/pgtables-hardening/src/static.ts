import type { StaticTablePages } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";

/**
 * Protects the static tables of the kernel image: `arch_kpkeys_protect_static_pgtables()`. The architecture says which of them
 * get a key; the others become read-only by themselves.
 *
 * @param tables - runs of pages that get the key
 * @param hardening - key and tagging
 * @param aliases - which of their mappings get it
 */
export function protectStaticTables(
  tables: StaticTablePages,
  hardening: Hardening,
  aliases: Required<PgtablesOptions>["staticAliases"],
): void {
  const { pkey, tagging, warnOn } = hardening;
  for (const { symbol, pfn, pages } of tables.keyed) {
    const errno = tagging.linear(pfn, pages, pkey);
    warnOn(errno !== 0, `${symbol} cannot get the key PGTABLES in the linear map: ${errno}`);
  }
  if (aliases === "both") protectImageAliases(tables, hardening);
}

/**
 * Gives the static tables the key in the kernel image's own mapping too.
 *
 * @param tables - runs of pages that get the key
 * @param hardening - key and tagging
 */
export function protectImageAliases(tables: StaticTablePages, { pkey, tagging, warnOn }: Hardening): void {
  for (const { symbol, pfn, pages } of tables.keyed) {
    const errno = tagging.image(pfn, pages, pkey);
    warnOn(errno !== 0, `${symbol} cannot get the key PGTABLES in the image: ${errno}`);
  }
}
