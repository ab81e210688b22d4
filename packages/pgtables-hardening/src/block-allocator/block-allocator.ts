import { lazily, provide, resolve } from "@kpkeys/core";
import {
  Cpus,
  EarlyMemory,
  KpkeysArch,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  StaticTablePages,
  Tasks,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";
import { outOfOrder } from "../init.js";
import type { PgtablesOptions } from "../options.js";
import { protectStaticTables } from "../static.js";
import { createAllocator } from "./allocator.js";
import { createEarlyBlocks } from "./early-blocks.js";
import { blockGeometry } from "./geometry.js";
import { InitOrder, LATE } from "./init-order.js";
import { createMemcg } from "./memcg.js";
import { createRefillMutex } from "./mutex.js";
import { createPageData } from "./page-data.js";
import { createPool } from "./pool.js";
import { createRefiller } from "./refill.js";
import { createShrinker } from "./shrinker.js";
import { createSplitRule } from "./split.js";
import { BlockAllocatorStats } from "./stats.js";

/**
 * Takes over the allocation of table pages, as v6 has it (patches 14 to 17): the linear map may consist of blocks, so table pages
 * come from a pool of pages that have the key already. Initialisation has two stages, because before the linear map may be
 * split no key can be set: `kpkeys_hardened_pgtables_init()` fills the pool and turns the static key on in mem_init,
 * `kpkeys_hardened_pgtables_init_late()` protects all that came before.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param hardening - key and tagging
 * @param options - whether vmemmap tables are carved too, which mappings of static tables get the key
 */
export function allocateFromBlocks(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  { vmemmap, staticAliases }: Required<PgtablesOptions>,
): void {
  const { key, warnOn } = hardening;
  const pages = lazily(container, PageAllocator);
  const tasks = lazily(container, Tasks);
  const arch = lazily(container, KpkeysArch);
  const earlyMemory = lazily(container, EarlyMemory);
  const staticTables = lazily(container, StaticTablePages);
  const { pageShift } = resolve(container, PageTableFormat).geometry;
  const services = {
    pages,
    cpus: lazily(container, Cpus),
    linearMap: lazily(container, LinearMap),
    wordsInPage: 2 ** (pageShift - 3),
  };
  const boot = new InitOrder();

  const geometry = blockGeometry(pageShift);
  const data = createPageData(2 ** geometry.blockOrder);
  const pool = createPool(data);
  const mutex = createRefillMutex(() => (boot.reached("smp") ? tasks().current.tid : 0));
  const refiller = createRefiller(geometry, pages, mutex, pool, data, hardening);
  const memcg = createMemcg();
  const guard = kpkeys.guardCond("PGTABLES", () => key.enabled);
  const early = createEarlyBlocks(2 ** geometry.refillOrders[0]!, hardening);
  const { alloc, free } = createAllocator(services, hardening, guard, pool, refiller, memcg);

  function init(): void {
    if (!kpkeys.supported()) return;
    warnOn(refiller.refill(false) === undefined, "the pool of table pages stays empty: there is no memory");
    key.enable();
  }

  function initLate(): void {
    if (!key.enabled) return;
    refiller.beginSplits();
    early.finalise(earlyMemory());
    protectStaticTables(staticTables(), hardening, staticAliases);
    pages().registerShrinker(createShrinker(geometry, pages, mutex, pool, data, hardening));
  }

  points.on("initPhase", (next) => {
    boot.begin(next);
    if (next === "mem_init") init();
    if (next === LATE) initLate();
  });

  points.setTableAllocator({
    alloc(source, gfp) {
      if (!boot.reached("mem_init"))
        throw outOfOrder(`a ${source} table page is wanted before mem_init`, "mem_init first");
      return alloc(source, gfp);
    },
    free,
    allocEarly(source) {
      if (boot.reached("mem_init"))
        throw outOfOrder(`an ${source} table page is wanted after mem_init`, "that before mem_init");
      const isKept = arch().supportsKpkeysEarly() && (source === "early" || vmemmap);
      return isKept ? early.take(earlyMemory()) : undefined;
    },
    ...createSplitRule(pool, mutex, refiller),
  });

  provide(container, BlockAllocatorStats, {
    get cached() {
      return pool.cached;
    },
    refills: refiller.byOrder,
    get earlyRegions() {
      return refiller.earlyRegions;
    },
    get charged() {
      return memcg.charged;
    },
    get uncharged() {
      return memcg.uncharged;
    },
  });
}
