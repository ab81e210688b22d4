import { KpkeysError, lazily } from "@kpkeys/core";
import { INIT_PHASES, KpkeysArch, StaticTablePages } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, InitPhase, Kpkeys } from "@kpkeys/core/contracts";
import { createEarlyRanges } from "./early.js";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";
import { protectStaticTables } from "./static.js";

/** Whether the hardening was initialised. */
export interface Init {
  /** True once mem_init was reached, with or without kernel pkeys. */
  readonly done: boolean;
}

/**
 * Turns the hardening on in mem_init: `kpkeys_hardened_pgtables_init()`, as soon as the buddy allocator is up and before it
 * hands out a table page. First the static key, because giving pages a key writes page tables, which from then on may
 * themselves have it: the setters' guards must open. Then the table pages that came before, early ones and static ones.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param hardening - key and tagging
 * @param aliases - which mappings of static tables get the key
 * @returns whether that has happened
 */
export function initInMemInit(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  aliases: Required<PgtablesOptions>["staticAliases"],
): Init {
  const { pkey, key, tagging, warnOn } = hardening;
  const arch = lazily(container, KpkeysArch);
  const staticTables = lazily(container, StaticTablePages);
  const early = createEarlyRanges();
  const init = { done: false };

  points.on("earlyTablePage", (pfn, source) => {
    if (init.done)
      throw outOfOrder(`table page ${pfn} (${source}) comes from memblock after mem_init`, "that before mem_init");
    if (!arch().supportsKpkeysEarly()) return;
    warnOn(!early.record(pfn), `no range is left to remember table page ${pfn} (${source}): it stays unprotected`);
  });

  function memInit(): void {
    if (init.done) throw outOfOrder("mem_init begins a second time", "one mem_init");
    init.done = true;
    const ranges = early.take();
    if (!kpkeys.supported()) return;
    key.enable();
    for (const { pfn, pages } of ranges) {
      const errno = tagging.linear(pfn, pages, pkey);
      warnOn(errno !== 0, `${pages} early table pages from ${pfn} cannot get the key PGTABLES: ${errno}`);
    }
    protectStaticTables(staticTables(), hardening, aliases);
  }

  points.on("initPhase", (phase) => {
    if (phase === "mem_init") memInit();
    else if (isAfterMemInit(phase) && !init.done) throw outOfOrder(`${phase} begins before mem_init`, "mem_init first");
  });
  return init;
}

function isAfterMemInit(phase: InitPhase): boolean {
  return INIT_PHASES.indexOf(phase) > INIT_PHASES.indexOf("mem_init");
}

function outOfOrder(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_INIT_ORDER", what, { where: "plugin 'pgtables'", expected });
}
