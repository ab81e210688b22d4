import { KpkeysError, lazily } from "@kpkeys/core";
import { INIT_PHASES, KpkeysArch, StaticTablePages } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, InitPhase, Kpkeys, Pfn } from "@kpkeys/core/contracts";
import { createEarlyRanges } from "./early.js";
import type { Hardening } from "./hardening.js";
import type { PgtablesOptions } from "./options.js";
import { protectStaticTables } from "./static.js";

/** Whether the hardening was initialised. */
export interface Init {
  /** True once the phase of boot was reached in which it is, with or without kernel pkeys. */
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
 * @param options - which early tables are remembered, which mappings of static tables get the key
 * @returns whether that has happened
 */
export function initInMemInit(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  { earlyRanges, vmemmap, staticAliases }: Required<PgtablesOptions>,
): Init {
  const { pkey, key, tagging, warnOn } = hardening;
  const arch = lazily(container, KpkeysArch);
  const staticTables = lazily(container, StaticTablePages);
  const early = createEarlyRanges(earlyRanges);
  const init = { done: false };
  let overflowed = false;

  /** `WARN_ON_ONCE`: the pages that follow stay unprotected too. */
  function remember(pfn: Pfn, source: string): void {
    if (early.record(pfn)) return;
    warnOn(!overflowed, `no range is left to remember table page ${pfn} (${source}): it stays unprotected`);
    overflowed = true;
  }

  points.on("earlyTablePage", (pfn, source) => {
    if (init.done)
      throw outOfOrder(`table page ${pfn} (${source}) comes from memblock after mem_init`, "that before mem_init");
    if (source === "vmemmap" && !vmemmap) return;
    if (arch().supportsKpkeysEarly()) remember(pfn, source);
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
    protectStaticTables(staticTables(), hardening, staticAliases);
  }

  points.on("initPhase", (phase) => {
    if (phase === "mem_init") memInit();
    else if (isAfter("mem_init", phase) && !init.done)
      throw outOfOrder(`${phase} begins before mem_init`, "mem_init first");
  });
  return init;
}

/**
 * Whether a phase of boot comes after another.
 * @param reference - the other
 * @param phase - the phase
 */
export function isAfter(reference: InitPhase, phase: InitPhase): boolean {
  return INIT_PHASES.indexOf(phase) > INIT_PHASES.indexOf(reference);
}

/**
 * An initialisation at the wrong time.
 * @param what - what comes when it should not
 * @param expected - what should come
 */
export function outOfOrder(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_INIT_ORDER", what, { where: "plugin 'pgtables'", expected });
}
