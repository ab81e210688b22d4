import { provide, resolve } from "@kpkeys/core";
import {
  Cpus,
  EarlyMemory,
  Errno,
  ExtensionPoints,
  FAULT,
  FaultKind,
  Gfp,
  Kpkeys,
  LazyMmu,
  LinearMap,
  OK,
  PageAllocator,
  PageTableFormat,
  SetMemory,
  StaticTablePages,
  Tasks,
  toPfn,
} from "@kpkeys/core/contracts";
import type {
  Cpu,
  DependencyContainer,
  InitPhase,
  Pfn,
  PluginOptions,
  Setter,
  Shrinker,
  TableAllocator,
} from "@kpkeys/core/contracts";
import { createTinyArch, GRANTING } from "../../core/test/framework/tiny-arch.js";
import { setUpFeature } from "../../core/test/framework/tiny-machine.js";
import { pgtablesHardening } from "../src/index.js";

/** Pages of a block: a PMD leaf. */
export const BLOCK = 512;

/** Pages of a PUD leaf: only four blocks, so that small memories have splits of two levels. */
const HUGE = 4 * BLOCK;

/** The static tables, inside a block. */
const STATIC_RUN = { symbol: "init_pg_dir", role: "image" as const, pfn: toPfn(5), pages: 3 };

/** A linear map of blocks over a small memory: splits, keys and failures, nothing else. */
export interface BlockToy {
  readonly container: DependencyContainer;
  readonly allocator: TableAllocator;
  /** Key of each page. */
  readonly keys: Uint8Array;
  /** Whether each page is free in the buddy allocator. */
  readonly free: Uint8Array;
  /** Table pages allocated by splits, in order. */
  readonly splitTables: readonly number[];
  /** Each set_memory_pkey of the feature: the table pages it allocated, and its nesting depth. */
  readonly calls: { readonly tables: number; readonly nested: number }[];
  /** Runs in set_memory_pkey before the linear map changes. */
  duringSetMemory: (() => void) | undefined;
  /** Whether set_memory_pkey fails. */
  failing: boolean;
  /** The tid of the current task. */
  tid: number;
  readonly shrinkers: readonly Shrinker[];
  /** Allocates pages from the buddy allocator. @returns the first page-frame number, or `undefined` */
  take(order: number): Pfn | undefined;
  give(pfn: number, order: number): void;
  setKey(pfn: number, pages: number, pkey: number): 0 | Errno;
  begin(phase: InitPhase): void;
}

/** Options of the toy. */
export interface BlockToyOptions {
  /** Pages of RAM, a multiple of 2048; the first 64 are the kernel's. */
  readonly pages?: number;
  /** Options of the feature besides its tagging. */
  readonly options?: PluginOptions;
  /** Whether the CPU has kernel pkeys. */
  readonly supported?: boolean;
}

/** Builds the toy, before its mem_init. */
export function createBlockToy({ pages = 2 * HUGE, options = {}, supported = true }: BlockToyOptions = {}): BlockToy {
  const arch = createTinyArch();
  arch.supported = supported;
  const container = setUpFeature(
    pgtablesHardening,
    { tagging: "block-allocator", staticAliases: "linear", ...options },
    {
      arch,
      services(own) {
        provide(own, PageTableFormat, { geometry: { pageShift: 12 } } as PageTableFormat);
      },
    },
  );
  const kpkeys = resolve(container, Kpkeys);
  const points = resolve(container, ExtensionPoints);
  kpkeys.freeze();
  points.freeze();
  arch.value = kpkeys.initialValue().low;
  const allocator = points.tableAllocator!;

  const keys = new Uint8Array(pages);
  const free = new Uint8Array(pages).fill(1, 64);
  const shrinkers: Shrinker[] = [];
  const splitTables: number[] = [];
  /** The table below a PUD or PMD entry; absent while the entry is a leaf. */
  const tables = new Map<string, number>();
  let early = pages;
  const calls: { tables: number; nested: number }[] = [];
  let nested = 0;

  function find(order: number): Pfn | undefined {
    const count = 2 ** order;
    for (let pfn = free.indexOf(1); pfn >= 0; pfn = free.indexOf(1, pfn)) {
      pfn = Math.ceil(pfn / count) * count;
      const used = free.subarray(pfn, pfn + count).indexOf(0);
      if (used < 0) return pfn + count <= pages ? toPfn(pfn) : undefined;
      pfn += used + 1;
    }
    return undefined;
  }

  function take(order: number): Pfn | undefined {
    let pfn = find(order);
    for (const shrinker of shrinkers) {
      if (pfn === undefined && shrinker.count() > 0 && Number(shrinker.scan(shrinker.batch)) > 0) pfn = find(order);
    }
    if (pfn !== undefined) free.fill(0, pfn, pfn + 2 ** order);
    return pfn;
  }

  function give(pfn: number, order: number): void {
    if (free.subarray(pfn, pfn + 2 ** order).includes(1)) throw new Error(`page ${pfn} is freed twice`);
    free.fill(1, pfn, pfn + 2 ** order);
  }

  function canWrite(pfn: number): boolean {
    return GRANTING.rightsOf(0, arch.value, keys[pfn]!).includes("w");
  }

  /** Writes a table through its setter, which needs a guard if the table has the key. */
  function writeTable(setter: Setter, table: number | undefined): void {
    if (table === undefined) return;
    const guard = points.guard(setter);
    const state = guard?.enter();
    if (!canWrite(table)) throw new Error(`${setter} faults in table ${table}`);
    if (state !== undefined) guard?.exit(state);
  }

  /** Splits the leaf that maps a page down to leaves of the wanted size, one table for each level. */
  function split(pfn: number, wanted: number): 0 | Errno {
    for (let turn = 0; ; turn++) {
      if (turn === 3) throw new Error("prepareSplit does not make the reserve ready");
      const errno = allocator.prepareSplit();
      if (errno !== 0) return errno;
      if (allocator.readyForSplit()) break;
    }
    for (const size of [HUGE, BLOCK]) {
      const leaf = `${size} ${Math.floor(pfn / size)}`;
      if (size <= wanted || tables.has(leaf)) continue;
      const table = allocator.alloc("kernel", Gfp.KERNEL | Gfp.PGTABLE_SPLIT);
      if (table === undefined) return Errno.ENOMEM;
      splitTables.push(table);
      writeTable("set_pte", table);
      writeTable("set_pud", tables.get(`${HUGE} ${Math.floor(pfn / HUGE)}`));
      tables.set(leaf, table);
    }
    return 0;
  }

  /** The size of the leaf that maps a page. */
  function leafSize(pfn: number): number {
    if (!tables.has(`${HUGE} ${Math.floor(pfn / HUGE)}`)) return HUGE;
    return tables.has(`${BLOCK} ${Math.floor(pfn / BLOCK)}`) ? 1 : BLOCK;
  }

  function splitAt(pfn: number, count: number): 0 | Errno {
    const wanted = count % BLOCK === 0 && pfn % BLOCK === 0 ? BLOCK : 1;
    for (let page = pfn; page < pfn + count; page += wanted) {
      if (leafSize(page) <= wanted) continue;
      const errno = split(page, wanted);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  function setKey(pfn: number, count: number, pkey: number): 0 | Errno {
    toy.duringSetMemory?.();
    if (toy.failing) return Errno.ENOMEM;
    const errno = splitAt(pfn, count);
    if (errno === 0) keys.fill(pkey, pfn, pfn + count);
    return errno;
  }

  const toy: BlockToy = {
    container,
    allocator,
    keys,
    free,
    splitTables,
    calls,
    duringSetMemory: undefined,
    failing: false,
    tid: 1,
    shrinkers,
    take,
    give,
    setKey,
    begin(phase) {
      for (const handler of points.handlers("initPhase")) handler(phase);
    },
  };

  const cpu = {
    fault: { kind: FaultKind.PKEY },
    storeRun: (_high: number, low: number) => (canWrite(low >>> 12) ? OK : FAULT),
  } as unknown as Cpu;
  provide(container, Cpus, { all: [cpu], current: cpu });
  provide(container, PageAllocator, {
    maxOrder: 10,
    freePages: 0,
    totalPages: pages,
    alloc: take,
    free: give,
    registerShrinker: (shrinker) => void shrinkers.push(shrinker),
  });
  provide(container, EarlyMemory, {
    alloc(count, align) {
      const pfn = Math.floor((early - count) / align) * align;
      if (pfn < 64 || free.subarray(pfn, pfn + count).includes(0)) return undefined;
      free.fill(0, pfn, pfn + count);
      early = pfn;
      return toPfn(pfn);
    },
    freeLate: (pfn, count) => void free.fill(1, pfn, pfn + count),
  });
  provide(container, StaticTablePages, { keyed: [STATIC_RUN] });
  provide(container, LazyMmu, { isActive: () => false } as LazyMmu);
  provide(container, LinearMap, {
    pageOf: (pfn: number) => pfn,
    address: (pfn: number) => ({ high: 0, low: pfn << 12 }),
  } as unknown as LinearMap);
  provide(container, SetMemory, {
    setMemoryPkey(page, count, pkey) {
      const before = splitTables.length;
      const call = { tables: 0, nested: nested++ };
      const errno = setKey(page, count, pkey);
      nested--;
      call.tables = splitTables.length - before;
      calls.push(call);
      return errno;
    },
  } as SetMemory);
  provide(container, Tasks, {
    get current() {
      return { tid: toy.tid };
    },
  } as Tasks);
  return toy;
}

/** Builds the toy and runs all of boot. */
export function bootBlockToy(options: BlockToyOptions = {}): BlockToy {
  const toy = createBlockToy(options);
  for (const phase of ["mem_init", "tasks", "smp", "system_features"] as const) toy.begin(phase);
  return toy;
}
