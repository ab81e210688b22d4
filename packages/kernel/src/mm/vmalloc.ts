import { KpkeysError } from "@kpkeys/core";
import { toLevel, toVpn } from "@kpkeys/core/contracts";
import type {
  EntryCursor,
  KernelLayout,
  LazyMmu,
  Level,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Pfn,
  Vmalloc,
  Vpn,
  Words,
} from "@kpkeys/core/contracts";
import { pageOfAddress } from "./addresses.js";
import type { Populate } from "./populate.js";
import type { Sections } from "./sections.js";
import type { TlbFlush } from "./tlb-flush.js";

interface VmArea {
  readonly page: Vpn;
  readonly frames: readonly Pfn[];
  /** Whether the frames are the area's own, and go back with it; those of vm_map_ram are the caller's. */
  readonly owned: boolean;
}

/** {@link Vmalloc} with what only the kernel needs. */
export interface KernelVmalloc extends Vmalloc {
  /**
   * `find_vm_area`, for a run of pages of one area.
   * @param page - first virtual page
   * @param pages - length; 0 looks for the area alone
   * @returns the page-frame numbers behind them; `undefined` when no area holds them all, its guard page not counted
   */
  framesAt(page: Vpn, pages: number): readonly Pfn[] | undefined;
}

/**
 * Makes vmalloc: first fit, page-mapped, a guard page behind each area. Tables stay when an area is freed, as Linux leaves
 * them. Translations are invalidated with each area, which Linux puts off until many areas are gone.
 * @param layout - where the area is
 * @param tables - the setters
 * @param format - the codec
 * @param pages - gives the pages
 * @param lazy - lazy MMU mode, around each table's entries
 * @param tlb - invalidation
 * @param populate - makes missing tables
 * @param sections - each call is an operation
 * @param contPteOrder - order of the blocks that `vmalloc_huge` takes and maps as one; 0 where there are none below 2 MiB
 */
export function createVmalloc(
  layout: KernelLayout,
  tables: PageTables,
  format: PageTableFormat,
  pages: PageAllocator,
  lazy: LazyMmu,
  tlb: TlbFlush,
  populate: Populate,
  sections: Sections,
  contPteOrder = 0,
): KernelVmalloc {
  const { levels, pageShift } = format.geometry;
  const start = pageOfAddress(layout.vmallocStart, pageShift);
  const end = pageOfAddress(layout.vmallocEnd, pageShift);
  const lastLevel = toLevel(levels.length - 1);
  /** Ascending by address. */
  const areas: VmArea[] = [];

  /** The first gap that holds the pages, aligned, and a guard page, as an index into the areas and a page. */
  function findGap(length: number, alignment: number): { readonly at: number; readonly page: number } {
    let page = start;
    for (let at = 0; at < areas.length; at++) {
      const area = areas[at]!;
      if (area.page - page > length) return { at, page };
      page = Math.ceil((area.page + area.frames.length + 1) / alignment) * alignment;
    }
    return { at: areas.length, page };
  }

  /** Blocks of an order, split into their pages (`split_page`), each of which goes back alone. */
  function takeFrames(length: number, order: number): readonly Pfn[] | undefined {
    const frames: Pfn[] = [];
    while (frames.length < length) {
      const pfn = pages.alloc(order);
      if (pfn < 0) {
        giveBack(frames);
        return undefined;
      }
      for (let i = 0; i < 2 ** order; i++) frames.push(pfn + i);
    }
    return frames;
  }

  function giveBack(frames: readonly Pfn[]): void {
    for (const frame of frames) pages.free(frame, 0);
  }

  const takeTable = (level: Level): Pfn => tables.allocTable("kernel", level);

  /** `vmap_range_noflush`: maps a run of pages and makes its tables, each table's entries in one lazy MMU section. @returns how many pages are mapped */
  function mapRange(page: Vpn, pages: number, set: (first: EntryCursor, count: number, done: number) => void): number {
    let done = 0;
    tables.walk(
      tables.root,
      { from: page, to: toVpn(page + pages) },
      {
        gap: (entry) => populate.link(entry, false, takeTable),
        run(first, count) {
          lazy.enable();
          set(first, count, done);
          lazy.disable();
          done += count;
          return undefined;
        },
      },
    );
    return done;
  }

  function leafOf(pfn: Pfn): Words {
    const leaf = { high: 0, low: 0 };
    format.makeLeaf(leaf, lastLevel, pfn, format.protections.PAGE_KERNEL);
    return leaf;
  }

  /** `vmap_pages_range_noflush` with pages. @returns how many it has mapped */
  function mapPages({ page, frames }: VmArea): number {
    return mapRange(page, frames.length, ({ table, index }, count, done) => {
      for (let i = 0; i < count; i++) tables.setPte(table, index + i, leafOf(frames[done + i]!));
    });
  }

  /** The same with blocks, each of which is a range of its own: `vmap_range_noflush`, with a lazy MMU section inside. */
  function mapBlocks({ page, frames }: VmArea, order: number): number {
    for (let i = 0; i < frames.length; i += 2 ** order) {
      const mapped = mapRange(toVpn(page + i), 2 ** order, ({ table, index }, count, done) => {
        tables.setPtes(table, index, leafOf(frames[i + done]!), count);
      });
      if (mapped < 2 ** order) return i + mapped;
    }
    return frames.length;
  }

  /** Maps frames into the first gap. @returns the first page, or -1 when there is none, or no memory for a table */
  function map(frames: readonly Pfn[], owned: boolean, order: number): number {
    const { at, page } = findGap(frames.length, 2 ** order);
    if (page + frames.length + 1 > end) return -1;
    const area: VmArea = { page, frames, owned };
    const mapped = order === 0 ? mapPages(area) : mapBlocks(area, order);
    if (mapped < frames.length) {
      clear(page, mapped);
      return -1;
    }
    areas.splice(at, 0, area);
    return page;
  }

  /** `vunmap_range`. */
  function clear(page: Vpn, pages: number): void {
    if (pages === 0) return;
    tables.walk(
      tables.root,
      { from: page, to: toVpn(page + pages) },
      {
        run({ table, index }, count) {
          lazy.enable();
          for (let i = 0; i < count; i++) tables.ptepGetAndClear(table, index + i);
          lazy.disable();
          return undefined;
        },
      },
    );
    tlb.range(page, pages);
  }

  function unmap(page: Vpn, owned: boolean): void {
    const at = areas.findIndex((area) => area.page === page && area.owned === owned);
    const area = areas[at];
    if (area === undefined) {
      const call = owned ? "vfree" : "vm_unmap_ram";
      throw new KpkeysError(
        "ERR_API_MISUSE",
        `${call} of page 0x${page.toString(16)}, which starts no area of its own`,
        {
          where: "vmalloc",
        },
      );
    }
    clear(page, area.frames.length);
    if (owned) giveBack(area.frames);
    areas.splice(at, 1);
  }

  return {
    framesAt(page, length) {
      const area = areas.find((area) => page >= area.page && page < area.page + area.frames.length);
      if (area === undefined || page + length > area.page + area.frames.length) return undefined;
      return area.frames.slice(page - area.page, page - area.page + length);
    },
    alloc: (length, allowHuge = false) =>
      sections.operation(() => {
        const order = allowHuge && length >= 2 ** contPteOrder ? contPteOrder : 0;
        const frames = takeFrames(length, order);
        if (frames === undefined) return -1;
        const page = map(frames, true, order);
        if (page < 0) giveBack(frames);
        return page;
      }),
    free(page) {
      sections.operation(() => {
        unmap(page, true);
      });
    },
    mapRam: (frames) => sections.operation(() => map(frames, false, 0)),
    unmapRam(page) {
      sections.operation(() => {
        unmap(page, false);
      });
    },
  };
}
