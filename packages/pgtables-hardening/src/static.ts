import type { StaticTablePages } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";

/**
 * Protects the static tables of the kernel image: `arch_kpkeys_protect_static_pgtables()`. The architecture lists those that need
 * the key; the others become read-only with the image.
 *
 * @param tables - runs of pages that need the key
 * @param hardening - sets the key
 * @param aliases - which of their mappings get the key
 */
export function protectStaticTables(
  tables: StaticTablePages,
  hardening: Hardening,
  aliases: Required<PgtablesOptions>["staticAliases"],
): void {
  for (const { symbol, pfn, pages } of tables.keyed) hardening.protect(`pages of ${symbol}`, pfn, pages);
  if (aliases === "both") protectImageAliases(tables, hardening);
}

/**
 * Protects the static tables in the kernel image's own mapping.
 *
 * @param tables - runs of pages that need the key
 * @param hardening - sets the key
 */
export function protectImageAliases(tables: StaticTablePages, hardening: Hardening): void {
  for (const { symbol, pfn, pages } of tables.keyed) hardening.protectInImage(`pages of ${symbol}`, pfn, pages);
}
