import { hex, inject, injectable, KpkeysError } from "@kpkeys/core";
import {
  LazyMmu,
  PageAllocator,
  PageTableFormat,
  PageTables,
  PgtableArch,
  toLevel,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, Vmalloc, Vpn, Words } from "@kpkeys/core/contracts";
import { pageOfAddress } from "./addresses.js";
import { Populate } from "./populate.js";
import { Sections } from "./sections.js";
import { TlbFlush } from "./tlb-flush.js";

interface VmArea {
  readonly page: Vpn;
  readonly frames: readonly Pfn[];
  /** Whether the area owns its frames and frees them. The caller owns the frames of vm_map_ram. */
  readonly owned: boolean;
}

/** A free range: the index of the next area, and its first page. */
interface Gap {
  readonly at: number;
  readonly page: Vpn;
}

/**
 * The vmalloc area: first fit, mapped with pages, a guard page after each area. Tables stay when an area is freed, as in Linux. Each
 * free flushes the TLB; Linux defers the flush until many areas are freed.
 */
@injectable()
export class KernelVmalloc implements Vmalloc {
  private readonly start: Vpn;
  private readonly end: Vpn;
  private readonly lastLevel: Level;
  /** Order of the blocks of `vmalloc_huge`; 0 if the architecture has none below 2 MiB. */
  private readonly contPteOrder: number;
  /** Ascending by address. */
  private readonly areas: VmArea[] = [];

  constructor(
    @inject(PgtableArch) { layout, contPteOrder = 0 }: PgtableArch,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageAllocator) private readonly pages: PageAllocator,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(Populate) private readonly populate: Populate,
    @inject(Sections) private readonly sections: Sections,
  ) {
    const { levels, pageShift } = format.geometry;
    this.start = pageOfAddress(layout.vmallocStart, pageShift);
    this.end = pageOfAddress(layout.vmallocEnd, pageShift);
    this.lastLevel = toLevel(levels.length - 1);
    this.contPteOrder = contPteOrder;
  }

  alloc(length: number, allowHuge = false): Vpn | undefined {
    const order = allowHuge && length >= 2 ** this.contPteOrder ? this.contPteOrder : 0;
    return this.sections.operation(() => {
      const frames = this.allocFrames(length, order);
      if (frames === undefined) return undefined;
      const page = this.map(frames, true, order);
      if (page === undefined) this.freeFrames(frames);
      return page;
    });
  }

  free(page: Vpn): void {
    this.sections.operation(() => {
      this.unmap(page, true);
    });
  }

  mapRam(frames: readonly Pfn[]): Vpn | undefined {
    return this.sections.operation(() => this.map(frames, false, 0));
  }

  unmapRam(page: Vpn): void {
    this.sections.operation(() => {
      this.unmap(page, false);
    });
  }

  /**
   * `find_vm_area`, for a run of pages of one area.
   * @param page - first virtual page
   * @param pages - number of pages, 0 or more
   * @returns the page-frame numbers of the pages; `undefined` if no area includes all of them. A guard page is not in the area.
   */
  framesAt(page: Vpn, pages: number): readonly Pfn[] | undefined {
    const area = this.areas.find((area) => page >= area.page && page < area.page + area.frames.length);
    if (area === undefined || page + pages > area.page + area.frames.length) return undefined;
    return area.frames.slice(page - area.page, page - area.page + pages);
  }

  /** The first gap for the aligned pages and a guard page. */
  private findGap(length: number, alignment: number): Gap {
    let page = this.start;
    for (const [at, area] of this.areas.entries()) {
      if (area.page - page > length) return { at, page };
      page = toVpn(Math.ceil((area.page + area.frames.length + 1) / alignment) * alignment);
    }
    return { at: this.areas.length, page };
  }

  /** Allocates blocks of an order, split into pages (`split_page`) that can be freed separately. */
  private allocFrames(length: number, order: number): readonly Pfn[] | undefined {
    const frames: Pfn[] = [];
    while (frames.length < length) {
      const pfn = this.pages.alloc(order);
      if (pfn === undefined) {
        this.freeFrames(frames);
        return undefined;
      }
      for (let i = 0; i < 2 ** order; i++) frames.push(toPfn(pfn + i));
    }
    return frames;
  }

  private freeFrames(frames: readonly Pfn[]): void {
    for (const frame of frames) this.pages.free(frame, 0);
  }

  /** Maps frames into the first gap. @returns the first page; `undefined` if there is no gap or no memory for a table */
  private map(frames: readonly Pfn[], owned: boolean, order: number): Vpn | undefined {
    const { at, page } = this.findGap(frames.length, 2 ** order);
    if (page + frames.length + 1 > this.end) return undefined;
    const area: VmArea = { page, frames, owned };
    const mapped = order === 0 ? this.mapPages(area) : this.mapBlocks(area, order);
    if (mapped < frames.length) {
      this.clear(page, mapped);
      return undefined;
    }
    this.areas.splice(at, 0, area);
    return page;
  }

  /** `vmap_pages_range_noflush`. @returns number of pages mapped */
  private mapPages({ page, frames }: VmArea): number {
    return this.mapRange(page, frames.length, ({ table, index }, count, done) => {
      for (let i = 0; i < count; i++) this.tables.setPte(table, index + i, this.leafOf(frames[done + i]!));
    });
  }

  /** Maps each block by a separate `vmap_range_noflush`, with its own lazy MMU section. @returns number of pages mapped */
  private mapBlocks({ page, frames }: VmArea, order: number): number {
    for (let i = 0; i < frames.length; i += 2 ** order) {
      const mapped = this.mapRange(toVpn(page + i), 2 ** order, ({ table, index }, count, done) => {
        this.tables.setPtes(table, index, this.leafOf(frames[i + done]!), count);
      });
      if (mapped < 2 ** order) return i + mapped;
    }
    return frames.length;
  }

  /**
   * `vmap_range_noflush`: maps a run of pages and makes missing tables. The entries of each table are written in one lazy MMU section.
   * @returns number of pages mapped
   */
  private mapRange(page: Vpn, pages: number, set: (first: EntryCursor, count: number, done: number) => void): number {
    const { tables, lazy } = this;
    const range = { from: page, to: toVpn(page + pages) };
    let done = 0;
    tables.walk(tables.root, range, {
      gap: (entry) => this.populate.link(entry, false, (level) => tables.allocTable("kernel", level)),
      run(first, count) {
        lazy.enable();
        set(first, count, done);
        lazy.disable();
        done += count;
        return undefined;
      },
    });
    return done;
  }

  private leafOf(pfn: Pfn): Words {
    return this.format.makeLeaf(this.lastLevel, pfn, this.format.protections.PAGE_KERNEL);
  }

  private unmap(page: Vpn, owned: boolean): void {
    const at = this.areas.findIndex((area) => area.page === page && area.owned === owned);
    const area = this.areas[at];
    if (area === undefined) {
      const call = owned ? "vfree" : "vm_unmap_ram";
      throw new KpkeysError("ERR_API_MISUSE", `no area starts at page ${hex(page)}`, {
        where: call,
        expected: owned ? "a page that vmalloc returned" : "a page that vm_map_ram returned",
      });
    }
    this.clear(page, area.frames.length);
    if (owned) this.freeFrames(area.frames);
    this.areas.splice(at, 1);
  }

  /** `vunmap_range`. */
  private clear(page: Vpn, pages: number): void {
    if (pages === 0) return;
    const { tables, lazy } = this;
    const range = { from: page, to: toVpn(page + pages) };
    tables.walk(tables.root, range, {
      run({ table, index }, count) {
        lazy.enable();
        for (let i = 0; i < count; i++) tables.ptepGetAndClear(table, index + i);
        lazy.disable();
        return undefined;
      },
    });
    this.tlb.range(page, pages);
  }
}
