import { lazily } from "@kpkeys/core";
import { PageTables, StaticTablePages } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys } from "@kpkeys/core/contracts";
import { isAfter, outOfOrder } from "./init.js";
import type { Init } from "./init.js";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";
import { protectImageAliases } from "./static.js";

/**
 * Turns the hardening on in smp_prepare_boot_cpu(): `kpkeys_hardened_pgtables_enable()` of v1 to v5. By then all tables of early
 * boot exist and the linear map can be changed, so nothing needs to be remembered: a walk of swapper_pg_dir finds them,
 * whoever made them, the vmemmap's too (patch "mm: Introduce kernel_pgtables_set_pkey()").
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param hardening - key and tagging
 * @param aliases - which mappings of static tables get the key
 * @returns whether that has happened
 */
export function initByLateWalk(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  aliases: Required<PgtablesOptions>["staticAliases"],
): Init {
  const { key } = hardening;
  const findTables = lazily(container, PageTables);
  const staticTables = lazily(container, StaticTablePages);
  const init = { done: false };

  function enable(): void {
    if (init.done) throw outOfOrder("smp_prepare_boot_cpu begins a second time", "it once");
    init.done = true;
    if (!kpkeys.supported()) return;
    key.enable();
    tagTables(findTables(), staticTables(), hardening);
    if (aliases === "both") protectImageAliases(staticTables(), hardening);
  }

  points.on("earlyTablePage", (pfn, source) => {
    if (!init.done) return;
    throw outOfOrder(`table page ${pfn} (${source}) comes from memblock after the walk`, "that before the walk");
  });
  points.on("initPhase", (phase) => {
    if (phase === "smp_prepare_boot_cpu") enable();
    else if (isAfter("smp_prepare_boot_cpu", phase) && !init.done) {
      throw outOfOrder(`${phase} begins before smp_prepare_boot_cpu`, "smp_prepare_boot_cpu first");
    }
  });
  return init;
}

/**
 * Gives every table below init_mm's top-level one the key, each before the tables that it points to. The top-level table itself
 * gets it only if it does not become read-only by itself.
 */
function tagTables(tables: PageTables, { keyed }: StaticTablePages, { pkey, tagging, warnOn }: Hardening): void {
  const { root, kernelRange } = tables;
  const isKeyed = keyed.some(({ pfn, pages }) => root >= pfn && root < pfn + pages);
  let errno = isKeyed ? tagging.linear(root, 1, pkey) : 0;
  if (errno === 0) {
    tables.walk(root, kernelRange, {
      table(_entry, below) {
        errno = tagging.linear(below, 1, pkey);
        return errno === 0 ? undefined : "stop";
      },
    });
  }
  warnOn(errno !== 0, `the walk of init_mm's tables ends early, the rest stay unprotected: ${errno}`);
}
