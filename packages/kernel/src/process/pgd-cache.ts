import { inject, injectable } from "@kpkeys/core";
import {
  ExtensionPoints,
  KernelMemory,
  Kpkeys,
  PageTableFormat,
  PageTables,
  physAddrOf,
  ProtectedObjects,
  SlabAllocator,
  toLevel,
  toPfn,
  toPhysAddr,
  toPkey,
} from "@kpkeys/core/contracts";
import type { Guard, KpkeysState, PhysAddr, Pkey } from "@kpkeys/core/contracts";
import type { EntryPlace } from "@kpkeys/core/machine";
import { claimedTablePkey } from "../audit/coverage.js";
import { KernelSlabCache } from "../slab/slab.js";
import type { KernelSlabAllocator } from "../slab/slab-allocator.js";
import { SlabPages } from "../slab/slab-pages.js";
import type { SlabSource } from "../slab/slab-pages.js";
import { WriteGuard } from "../slab/write-guard.js";

/** Bytes of an entry. */
const ENTRY_BYTES = 8;

/**
 * Top-level tables of processes: arch/arm64/mm/pgd.c. A table that fills a page (PGD_SIZE == PAGE_SIZE) is a table page. Smaller ones
 * are objects of the slab cache `pgd_cache`, several in one page, each aligned to its size:
 *
 * ```text
 *   64K pages, 48 bits, PGD_SIZE 512:   | root 0 | root 1 | free | root 3 | ...... | root 127 |
 *   entry i of root n has index          n * 64 + i in the page
 * ```
 *
 * No source of the model specifies the key of `pgd_cache` pages. The model allocates and protects them like all table pages, because a root
 * without a key is open to every stray store. The free list is stored in free roots, so the cache writes it inside the guard of `set_pgd`.
 */
@injectable()
export class PgdCache {
  private readonly pageBytes: number;
  /** PGD_SIZE. */
  private readonly pgdBytes: number;
  /** `undefined` where a table fills a page. */
  private readonly cache: KernelSlabCache | undefined;
  private readonly writeGuard: WriteGuard<[pkey: Pkey]>;
  /** The key of table pages, 0 without one. */
  private readonly pkey: Pkey;

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(SlabAllocator) slabs: KernelSlabAllocator,
    @inject(SlabPages) pages: SlabPages,
    @inject(PageTableFormat) { geometry }: PageTableFormat,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(ProtectedObjects) { claims }: ProtectedObjects,
    @inject(Kpkeys) kpkeys: Kpkeys,
  ) {
    this.pageBytes = memory.pageBytes;
    this.pgdBytes = 2 ** geometry.levels[0]!.indexBits * ENTRY_BYTES;
    this.pkey = claimedTablePkey(claims, kpkeys) ?? toPkey(0);
    this.writeGuard = writeGuardOf(extensions.guard("set_pgd"));
    if (this.pgdBytes === this.pageBytes) return;
    const { writeGuard } = this;
    this.cache = new KernelSlabCache("pgd_cache", this.pgdBytes, this.pkey, {
      memory,
      pages,
      source: this.tablePages(),
      writeGuard,
    });
    slabs.add(this.cache);
  }

  /** Allocates a table of zeroes. @returns its first entry; `undefined` if there is no memory or a feature refuses */
  alloc(): EntryPlace | undefined {
    if (this.cache === undefined) {
      const table = this.tables.allocTable("user", toLevel(0));
      return table === undefined ? undefined : { table, index: 0 };
    }
    const root = this.cache.alloc();
    if (root === undefined) return undefined;
    this.clear(root);
    const offset = root % this.pageBytes;
    return { table: toPfn((root - offset) / this.pageBytes), index: offset / ENTRY_BYTES };
  }

  /** Frees a table. @param root - its first entry */
  free({ table, index }: EntryPlace): void {
    if (this.cache === undefined) this.tables.freeTable(table);
    else this.cache.free(physAddrOf(table, Math.log2(this.pageBytes), index * ENTRY_BYTES));
  }

  /** `__GFP_ZERO`. A free root holds a link of the free list. */
  private clear(root: PhysAddr): void {
    this.writeGuard.enter(this.pkey);
    for (let at = 0; at < this.pgdBytes; at += ENTRY_BYTES) this.memory.store(toPhysAddr(root + at), 0, 0, "pgd_alloc");
    this.writeGuard.exit();
  }

  /** Table pages as slabs. PGD_SIZE divides the page size, so a slab is one page. */
  private tablePages(): SlabSource {
    const { tables, pageBytes } = this;
    return {
      alloc() {
        const table = tables.allocTable("user", toLevel(0));
        return table === undefined ? undefined : toPhysAddr(table * pageBytes);
      },
      free({ start }) {
        tables.freeTable(toPfn(start / pageBytes));
      },
    };
  }
}

/** The write guard of a cache that enters a setter's guard. */
function writeGuardOf(guard: Guard | undefined): WriteGuard<[pkey: Pkey]> {
  if (guard === undefined) return new WriteGuard([], []);
  const exit = (state: number): void => {
    guard.exit(state as KpkeysState);
  };
  return new WriteGuard([() => guard.enter()], [exit]);
}
