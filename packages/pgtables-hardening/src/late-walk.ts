import { lazily } from "@kpkeys/core";
import { PageTables, StaticTablePages } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import { InitOrder, outOfOrder } from "./init-order.js";
import type { PgtablesOptions } from "./options.js";
import { protectImageAliases } from "./static.js";

/**
 * Initialises the hardening in smp_prepare_boot_cpu(): `kpkeys_hardened_pgtables_enable()` of v1 to v5. All tables of early boot
 * exist by then and the linear map can be changed, so nothing is recorded: a walk of swapper_pg_dir finds them, the vmemmap's
 * included (patch "mm: Introduce kernel_pgtables_set_pkey()").
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param hardening - sets the key
 * @param options - which mappings of static tables get the key
 * @returns whether the hardening was initialised, with or without kernel pkeys
 */
export function initByLateWalk(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  options: Required<PgtablesOptions>,
): () => boolean {
  const pageTables = lazily(container, PageTables);
  const staticTables = lazily(container, StaticTablePages);
  const order = new InitOrder(["smp_prepare_boot_cpu"]);

  points.on("earlyTablePage", (pfn, source) => {
    if (order.reached("smp_prepare_boot_cpu"))
      throw outOfOrder(
        `cannot protect table page ${pfn} (${source}): memblock allocated it after the walk`,
        "allocate it before smp_prepare_boot_cpu",
      );
  });
  points.on("initPhase", (phase) => {
    order.begin(phase);
    if (phase !== "smp_prepare_boot_cpu" || !kpkeys.supported()) return;
    hardening.key.enable();
    protectTables(pageTables(), staticTables(), hardening);
    protectImageAliases(staticTables(), hardening, options);
  });
  return () => order.reached("smp_prepare_boot_cpu");
}

/**
 * Sets the key on every table below init_mm's top-level one, on each before the tables that it points to. The top-level table gets
 * the key only if it does not become read-only with the image. The walk ends at the first failure.
 */
function protectTables(tables: PageTables, { keyed }: StaticTablePages, hardening: Hardening): void {
  const { root, kernelRange } = tables;
  const isKeyed = keyed.some(({ pfn, pages }) => root >= pfn && root < pfn + pages);
  if (isKeyed && hardening.protect("pages of the top-level table", root, 1) !== 0) return;
  tables.walk(root, kernelRange, {
    table: (_entry, below) => (hardening.protect("tables of init_mm", below, 1) === 0 ? undefined : "stop"),
  });
}
