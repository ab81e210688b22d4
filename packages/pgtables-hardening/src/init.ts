import { lazily } from "@kpkeys/core";
import { KpkeysArch, StaticTablePages } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys } from "@kpkeys/core/contracts";
import { EarlyRanges } from "./early.js";
import type { Hardening } from "./hardening.js";
import { InitOrder, outOfOrder } from "./init-order.js";
import type { PgtablesOptions } from "./options.js";
import { protectStaticTables } from "./static.js";

/**
 * Initialises the hardening in mem_init: `kpkeys_hardened_pgtables_init()`, once the buddy allocator is up and before it allocates a
 * table page. The static key is enabled first: setting the key on pages writes page tables, some of which have the key by then, so
 * the setters' guards must enter the context. Early and static table pages follow.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param hardening - sets the key
 * @param options - which early tables are recorded, which mappings of static tables get the key
 * @returns whether the hardening was initialised, with or without kernel pkeys
 */
export function initInMemInit(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  options: Required<PgtablesOptions>,
): () => boolean {
  const arch = lazily(container, KpkeysArch);
  const staticTables = lazily(container, StaticTablePages);
  const { earlyRanges, vmemmap } = options;
  const early = new EarlyRanges(earlyRanges);
  const order = new InitOrder(["mem_init"]);
  let overflowed = false;

  points.on("earlyTablePage", (pfn, source) => {
    if (order.reached("mem_init"))
      throw outOfOrder(
        `cannot record table page ${pfn} (${source}): memblock allocated it after mem_init`,
        "allocate it before mem_init",
      );
    if (source === "vmemmap" && !vmemmap) return;
    if (!arch().supportsKpkeysEarly() || early.record(pfn)) return;
    // WARN_ON_ONCE: the pages that follow stay unprotected too.
    if (!overflowed) hardening.warn(`cannot record table page ${pfn} (${source}): all ranges are in use`);
    overflowed = true;
  });

  points.on("initPhase", (phase) => {
    order.begin(phase);
    if (phase !== "mem_init") return;
    const ranges = early.drain();
    if (!kpkeys.supported()) return;
    hardening.key.enable();
    for (const { pfn, pages } of ranges) hardening.protect("early table pages", pfn, pages);
    protectStaticTables(staticTables(), hardening, options);
  });
  return () => order.reached("mem_init");
}
