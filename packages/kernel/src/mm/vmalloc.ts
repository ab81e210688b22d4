import { hex, inject, injectable, KpkeysError } from "@kpkeys/core";
import {
  KernelMemory,
  KpkeysArch,
  LazyMmu,
  PageAllocator,
  PageKeys,
  PageTableFormat,
  PageTables,
  PgtableArch,
  toLevel,
  toPfn,
  toPkey,
  toVpn,
} from "@kpkeys/core/contracts";
import type {
  EntryCursor,
  Level,
  PageRange,
  Pfn,
  Pkey,
  Protection,
  ProtectionName,
  Vmalloc,
  VmallocOptions,
  Vpn,
  Words,
} from "@kpkeys/core/contracts";
import { pageOfAddress } from "./addresses.js";
import { KeyChanges } from "./key-changes.js";
import type { LinearMemory } from "./kernel-memory.js";
import { LeafWalk } from "./leaf-walk.js";
import { Populate } from "./populate.js";
import { ResetPermissions } from "./reset-permissions.js";
import { Sections } from "./sections.js";
import { TlbFlush } from "./tlb-flush.js";

interface VmArea {
  readonly page: Vpn;
  readonly frames: readonly Pfn[];
  /** Whether the area owns its frames and frees them. The caller owns the frames of vm_map_ram. */
  readonly owned: boolean;
}

/** How an area is placed and mapped. */
interface Placement {
  /** Addresses for the area and its guard page. */
  readonly range: PageRange;
  /** Order of the blocks. */
  readonly order: number;
  /** Bits of the leaves, with the key. */
  readonly bits: Protection;
  readonly owned: boolean;
}

/** A free range: the index of the next area, and its first page. */
interface Gap {
  readonly at: number;
  readonly page: Vpn;
}

const NO_OPTIONS: VmallocOptions = {};
const NO_KEY = toPkey(0);

/**
 * The vmalloc area and the module area: first fit, mapped with pages, a guard page after each area. Tables stay when an area is freed,
 * as in Linux. Each free flushes the TLB; Linux defers the flush until many areas are freed.
 */
@injectable()
export class KernelVmalloc implements Vmalloc {
  private readonly ranges: Readonly<Record<"vmalloc" | "modules", PageRange>>;
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
    @inject(KernelMemory) private readonly memory: LinearMemory,
    @inject(KpkeysArch) private readonly kpkeys: KpkeysArch,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(Populate) private readonly populate: Populate,
    @inject(Sections) private readonly sections: Sections,
    @inject(KeyChanges) private readonly keys: KeyChanges,
    @inject(PageKeys) private readonly pageKeys: PageKeys,
    @inject(ResetPermissions) private readonly permissions: ResetPermissions,
    @inject(LeafWalk) private readonly leaves: LeafWalk,
  ) {
    const { levels, pageShift } = format.geometry;
    const { vmallocStart, vmallocEnd, modulesStart = vmallocStart, modulesEnd = vmallocEnd } = layout;
    this.ranges = {
      vmalloc: { from: pageOfAddress(vmallocStart, pageShift), to: pageOfAddress(vmallocEnd, pageShift) },
      modules: { from: pageOfAddress(modulesStart, pageShift), to: pageOfAddress(modulesEnd, pageShift) },
    };
    this.lastLevel = toLevel(levels.length - 1);
    this.contPteOrder = contPteOrder;
  }

  alloc(length: number, options: VmallocOptions = NO_OPTIONS): Vpn | undefined {
    const { huge = false, protection = "PAGE_KERNEL", pkey, range = "vmalloc" } = options;
    const order = huge && length >= 2 ** this.contPteOrder ? this.contPteOrder : 0;
    const key = pkey === undefined ? NO_KEY : this.supportedKey(pkey);
    const placement = { range: this.ranges[range], order, bits: this.bitsOf(protection, key), owned: true };
    return this.sections.operation(() => {
      const frames = this.allocFrames(length, order);
      if (frames === undefined) return undefined;
      if (pkey !== undefined) for (const frame of frames) this.memory.clearPage(frame);
      const page = key === NO_KEY ? this.map(frames, placement) : this.mapWithKey(frames, placement, key);
      if (page === undefined) this.freeFrames(frames);
      return page;
    });
  }

  free(page: Vpn): void {
    this.sections.operation(() => {
      const { frames, keyed } = this.unmap(page, true);
      this.permissions.reset(frames);
      if (keyed.length > 0) this.keys.setFrames(keyed, NO_KEY);
      this.freeFrames(frames);
    });
  }

  pfnOf(page: Vpn): Pfn | undefined {
    if (!Object.values(this.ranges).some(({ from, to }) => page >= from && page < to)) return undefined;
    const leaf = this.leaves.at(page);
    return leaf === undefined ? undefined : this.format.pfnOf(leaf.value.high, leaf.value.low);
  }

  mapRam(frames: readonly Pfn[]): Vpn | undefined {
    const placement = {
      range: this.ranges.vmalloc,
      order: 0,
      bits: this.format.protections.PAGE_KERNEL,
      owned: false,
    };
    return this.sections.operation(() => this.map(frames, placement));
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

  /** The key as the CPU has it: 0 on a CPU without kernel pkeys. */
  private supportedKey(pkey: Pkey): Pkey {
    if (!this.kpkeys.supportsKpkeys()) return NO_KEY;
    if (this.keys.isPkey(pkey)) return pkey;
    throw new KpkeysError("ERR_API_MISUSE", `the architecture has no key ${pkey}`, {
      where: "vmalloc",
      expected: "the number of a registered key",
    });
  }

  private bitsOf(protection: ProtectionName, key: Pkey): Protection {
    const bits = this.format.protections[protection];
    return key === NO_KEY ? bits : this.pageKeys.withKey(bits, key);
  }

  /** The first gap of a range for the aligned pages and a guard page; `undefined` if there is none. */
  private findGap({ from, to }: PageRange, length: number, alignment: number): Gap | undefined {
    let page = from;
    let at = 0;
    for (; at < this.areas.length; at++) {
      const area = this.areas[at]!;
      if (area.page < from) continue;
      if (area.page - page > length) break;
      page = toVpn(Math.ceil((area.page + area.frames.length + 1) / alignment) * alignment);
    }
    return page + length + 1 > to ? undefined : { at, page };
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
  private map(frames: readonly Pfn[], placement: Placement): Vpn | undefined {
    const { range, order, bits, owned } = placement;
    const gap = this.findGap(range, frames.length, 2 ** order);
    if (gap === undefined) return undefined;
    const { at, page } = gap;
    const mapped = order === 0 ? this.mapPages(page, frames, bits) : this.mapBlocks(page, frames, bits, order);
    if (mapped < frames.length) {
      this.clear(page, frames.slice(0, mapped));
      return undefined;
    }
    this.areas.splice(at, 0, { page, frames, owned });
    return page;
  }

  /**
   * Maps frames with a key and sets the key of their linear mapping. If a block of the linear map cannot be split, the area is unmapped
   * again and no key of the linear map has changed.
   */
  private mapWithKey(frames: readonly Pfn[], placement: Placement, key: Pkey): Vpn | undefined {
    const page = this.map(frames, placement);
    if (page === undefined || this.keys.setFrames(frames, key) === 0) return page;
    this.unmap(page, true);
    return undefined;
  }

  /** `vmap_pages_range_noflush`. @returns number of pages mapped */
  private mapPages(page: Vpn, frames: readonly Pfn[], bits: Protection): number {
    return this.mapRange(page, frames.length, ({ table, index }, count, done) => {
      for (let i = 0; i < count; i++) this.tables.setPte(table, index + i, this.leafOf(frames[done + i]!, bits));
    });
  }

  /** Maps each block by a separate `vmap_range_noflush`, with its own lazy MMU section. @returns number of pages mapped */
  private mapBlocks(page: Vpn, frames: readonly Pfn[], bits: Protection, order: number): number {
    for (let i = 0; i < frames.length; i += 2 ** order) {
      const mapped = this.mapRange(toVpn(page + i), 2 ** order, ({ table, index }, count, done) => {
        this.tables.setPtes(table, index, this.leafOf(frames[i + done]!, bits), count);
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

  private leafOf(pfn: Pfn, bits: Protection): Words {
    return this.format.makeLeaf(this.lastLevel, pfn, bits);
  }

  /** Unmaps an area. @returns its frames, and those whose leaf had a key */
  private unmap(page: Vpn, owned: boolean): { frames: readonly Pfn[]; keyed: readonly Pfn[] } {
    const at = this.areas.findIndex((area) => area.page === page && area.owned === owned);
    const area = this.areas[at];
    if (area === undefined) {
      const call = owned ? "vfree" : "vm_unmap_ram";
      throw new KpkeysError("ERR_API_MISUSE", `no area starts at page ${hex(page)}`, {
        where: call,
        expected: owned ? "a page that vmalloc returned" : "a page that vm_map_ram returned",
      });
    }
    const keyed = this.clear(page, area.frames);
    this.areas.splice(at, 1);
    return { frames: area.frames, keyed };
  }

  /** `vunmap_range` of mapped frames. @returns the frames whose leaf had a key */
  private clear(page: Vpn, frames: readonly Pfn[]): readonly Pfn[] {
    const keyed: Pfn[] = [];
    if (frames.length === 0) return keyed;
    const { tables, lazy, pageKeys } = this;
    const range = { from: page, to: toVpn(page + frames.length) };
    let done = 0;
    tables.walk(tables.root, range, {
      run({ table, index }, count) {
        lazy.enable();
        for (let i = 0; i < count; i++) {
          const { high, low } = tables.ptepGetAndClear(table, index + i);
          if (pageKeys.ofLeaf(high, low, 0) !== NO_KEY) keyed.push(frames[done + i]!);
        }
        lazy.disable();
        done += count;
        return undefined;
      },
    });
    this.tlb.range(page, frames.length);
    return keyed;
  }
}
