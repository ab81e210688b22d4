import type { StaticTablePages, StaticTableRun } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";

/**
 * Protects the static tables of the kernel image: `arch_kpkeys_protect_static_pgtables()`. The architecture lists those that need
 * the key; the others become read-only with the image.
 *
 * @param tables - runs of pages that need the key
 * @param hardening - sets the key
 * @param options - which runs, and which of their mappings, get the key
 */
export function protectStaticTables(
  tables: StaticTablePages,
  hardening: Hardening,
  options: Required<PgtablesOptions>,
): void {
  for (const { symbol, pfn, pages } of chosen(tables, options)) hardening.protect(`pages of ${symbol}`, pfn, pages);
  protectImageAliases(tables, hardening, options);
}

/**
 * Protects the static tables in the kernel image's own mapping, if the options ask for it.
 *
 * @param tables - runs of pages that need the key
 * @param hardening - sets the key
 * @param options - which runs, and whether this mapping, get the key
 */
export function protectImageAliases(
  tables: StaticTablePages,
  hardening: Hardening,
  options: Required<PgtablesOptions>,
): void {
  if (options.staticAliases === "linear") return;
  for (const { symbol, pfn, pages } of chosen(tables, options))
    hardening.protectInImage(`pages of ${symbol}`, pfn, pages);
}

function chosen({ keyed }: StaticTablePages, { fixmapTables }: Required<PgtablesOptions>): readonly StaticTableRun[] {
  return fixmapTables ? keyed : keyed.filter(({ role }) => role !== "fixmap");
}
