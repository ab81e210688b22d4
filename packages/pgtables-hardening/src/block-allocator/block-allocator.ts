import { hex, KpkeysError, lazily, provide, resolve } from "@kpkeys/core";
import {
  Cpus,
  EarlyMemory,
  Errno,
  FaultKind,
  Gfp,
  KpkeysArch,
  LinearMap,
  OK,
  PageAllocator,
  PageTableFormat,
  StaticTablePages,
  Tasks,
} from "@kpkeys/core/contracts";
import type {
  DependencyContainer,
  ExtensionPoints,
  InitPhase,
  Kpkeys,
  Pfn,
  TableAllocator,
} from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";
import { InitOrder, outOfOrder } from "../init-order.js";
import type { PgtablesOptions } from "../options.js";
import { protectStaticTables } from "../static.js";
import { EarlyBlocks } from "./early-blocks.js";
import { blockGeometry } from "./geometry.js";
import type { BlockGeometry } from "./geometry.js";
import { Memcg } from "./memcg.js";
import { RefillMutex } from "./mutex.js";
import { PageData } from "./page-data.js";
import { Pool } from "./pool.js";
import { Refiller } from "./refill.js";
import { PoolShrinker } from "./shrinker.js";
import { BlockAllocatorStats } from "./stats.js";

/** The phase from which the linear map may be split: all CPUs are up and their capabilities are final (setup_system_features()). */
const LATE: InitPhase = "system_features";

/** The flags that the allocator implements. It zeroes and charges pages itself: those of the pool bypass the buddy allocator. */
const IMPLEMENTED = Gfp.KERNEL | Gfp.ZERO | Gfp.ACCOUNT | Gfp.PGTABLE_SPLIT;

/**
 * The table allocator of v6 (patches 14 to 17): the linear map may consist of blocks, so table pages come from a pool of pages that
 * have the key. A page keeps its key while it is in the pool, so allocating and freeing do not change the linear map; only zeroing
 * enters the context. Without kernel pkeys every page comes from the buddy allocator.
 *
 * Initialisation has two stages, because no key can be set before the linear map may be split. `kpkeys_hardened_pgtables_init()` in
 * mem_init fills the pool and enables the static key; `kpkeys_hardened_pgtables_init_late()` protects all earlier tables.
 */
export class BlockAllocator implements TableAllocator {
  private readonly arch: () => KpkeysArch;
  private readonly cpus: () => Cpus;
  private readonly earlyMemory: () => EarlyMemory;
  private readonly linearMap: () => LinearMap;
  private readonly pages: () => PageAllocator;
  private readonly staticTables: () => StaticTablePages;
  private readonly order = new InitOrder(["mem_init", LATE]);
  private readonly wordsInPage: number;
  private readonly geometry: BlockGeometry;
  private readonly data: PageData;
  private readonly pool: Pool;
  private readonly mutex: RefillMutex;
  private readonly refiller: Refiller;
  private readonly memcg = new Memcg();
  private readonly early: EarlyBlocks;

  /**
   * @param container - the machine's container
   * @param kpkeys - its kpkeys API
   * @param hardening - key and guard
   * @param options - whether vmemmap tables are carved too, which mappings of static tables get the key
   */
  constructor(
    container: DependencyContainer,
    private readonly kpkeys: Kpkeys,
    private readonly hardening: Hardening,
    private readonly options: Required<PgtablesOptions>,
  ) {
    this.arch = lazily(container, KpkeysArch);
    this.cpus = lazily(container, Cpus);
    this.earlyMemory = lazily(container, EarlyMemory);
    this.linearMap = lazily(container, LinearMap);
    this.pages = lazily(container, PageAllocator);
    this.staticTables = lazily(container, StaticTablePages);
    const tasks = lazily(container, Tasks);
    const { pageShift } = resolve(container, PageTableFormat).geometry;
    this.wordsInPage = 2 ** (pageShift - 3);
    this.geometry = blockGeometry(pageShift);
    this.data = new PageData(2 ** this.geometry.blockOrder);
    this.pool = new Pool(this.data);
    this.mutex = new RefillMutex(() => (this.order.reached("smp") ? tasks().current.tid : 0));
    this.refiller = new Refiller(this.geometry, this.pages, this.mutex, this.pool, this.data, hardening);
    this.early = new EarlyBlocks(2 ** this.geometry.refillOrders[0]!, hardening);
    provide(container, BlockAllocatorStats, this.stats());
  }

  /**
   * Takes the place of the buddy allocator for table pages.
   * @param points - the machine's extension points
   */
  install(points: ExtensionPoints): void {
    points.setTableAllocator(this);
    points.on("initPhase", (next) => {
      this.order.begin(next);
      if (next === "mem_init") this.init();
      if (next === LATE) this.initLate();
    });
  }

  /** `kpkeys_pgtable_alloc()`. */
  alloc(source: "kernel" | "user", gfp: number): Pfn | undefined {
    if (!this.order.reached("mem_init"))
      throw outOfOrder(`cannot allocate a ${source} table page: mem_init has not begun`, "begin mem_init first");
    if ((gfp & Gfp.KERNEL) === 0 || (gfp & ~IMPLEMENTED) !== 0)
      this.hardening.warn(`the block allocator does not implement gfp ${hex(gfp)}`);
    const forSplit = (gfp & Gfp.PGTABLE_SPLIT) !== 0;
    const pfn = this.hardening.key.enabled ? this.allocCached(forSplit) : this.pages().alloc(0);
    if (pfn === undefined) return undefined;
    if ((gfp & Gfp.ZERO) !== 0) this.zero(pfn);
    if ((gfp & Gfp.ACCOUNT) !== 0) this.memcg.charge(pfn);
    return pfn;
  }

  /** `kpkeys_pgtable_free()`. */
  free(pfn: Pfn): void {
    this.memcg.uncharge(pfn);
    if (this.hardening.key.enabled) this.pool.add(pfn, 1);
    else this.pages().free(pfn, 0);
  }

  allocEarly(source: "early" | "vmemmap"): Pfn | undefined {
    if (this.order.reached("mem_init"))
      throw outOfOrder(`cannot allocate an ${source} table page: mem_init has begun`, "allocate it before mem_init");
    const isCarved = this.arch().supportsKpkeysEarly() && (source === "early" || this.options.vmemmap);
    return isCarved ? this.early.alloc(this.earlyMemory()) : undefined;
  }

  /** Half of the reserve is for the split in a refill: the owner of the mutex needs no preparation. The other half is for any other split. */
  prepareSplit(): 0 | Errno {
    if (this.readyForSplit()) return 0;
    return this.refiller.refill(false) === undefined ? Errno.ENOMEM : 0;
  }

  readyForSplit(): boolean {
    return this.pool.hasReserve || this.mutex.ownedByCurrent();
  }

  private init(): void {
    if (!this.kpkeys.supported()) return;
    if (this.refiller.refill(false) === undefined)
      this.hardening.warn("cannot fill the pool of table pages: there is no free memory");
    this.hardening.key.enable();
  }

  private initLate(): void {
    const { geometry, hardening } = this;
    if (!hardening.key.enabled) return;
    this.refiller.beginSplits();
    this.early.finalise(this.earlyMemory());
    protectStaticTables(this.staticTables(), hardening, this.options);
    const pages = this.pages();
    pages.registerShrinker(new PoolShrinker(geometry.blockOrder, pages, this.mutex, this.pool, this.data, hardening));
  }

  /** Only a split may use the reserve. A split does not refill: it may be part of a refill. */
  private allocCached(forSplit: boolean): Pfn | undefined {
    return this.pool.pop(forSplit) ?? (forSplit ? undefined : this.refiller.refill(true));
  }

  private zero(pfn: Pfn): void {
    const { high, low } = this.linearMap().address(pfn);
    const cpu = this.cpus().current;
    const state = this.hardening.guard.enter();
    const status = cpu.storeRun(high, low, 0, 0, 0, this.wordsInPage);
    this.hardening.guard.exit(state);
    if (status === OK) return;
    throw new KpkeysError("ERR_KERNEL_FAULT", `cannot zero page ${pfn} of the pool: the store faults`, {
      where: "the block allocator of plugin 'pgtables'",
      expected: cpu.fault.kind === FaultKind.PKEY ? "a context that may write tables" : "a page in the linear map",
    });
  }

  private stats(): BlockAllocatorStats {
    const { pool, refiller, memcg } = this;
    return {
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
    };
  }
}
