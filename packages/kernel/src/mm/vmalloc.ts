import { KpkeysError } from "@kpkeys/core";
import type {
  KernelLayout,
  LazyMmu,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Vmalloc,
} from "@kpkeys/core/contracts";
import { pageHigh, pageLow, pageOfAddress } from "./addresses.js";
import type { EnsureTable } from "./populate.js";
import type { TlbFlush } from "./tlb-flush.js";

interface VmArea {
  readonly page: number;
  readonly frames: readonly number[];
}

/** {@link Vmalloc} with what only the kernel needs. */
export interface KernelVmalloc extends Vmalloc {
  /**
   * `find_vm_area`, for a run of pages of one area.
   * @param page - first virtual page
   * @param pages - length; 0 looks for the area alone
   * @returns the page-frame numbers behind them; `undefined` when no area holds them all, its guard page not counted
   */
  framesAt(page: number, pages: number): readonly number[] | undefined;
}

/**
 * Makes vmalloc: first fit, page-mapped, a guard page behind each area. Tables stay when an area is freed, as Linux leaves
 * them.
 * @param layout - where the area is
 * @param tables - the setters
 * @param format - the codec
 * @param pages - gives the pages
 * @param lazy - lazy MMU mode, around each table's entries
 * @param tlb - invalidation
 * @param ensureTable - makes missing tables
 */
export function createVmalloc(
  layout: KernelLayout,
  tables: PageTables,
  format: PageTableFormat,
  pages: PageAllocator,
  lazy: LazyMmu,
  tlb: TlbFlush,
  ensureTable: EnsureTable,
): KernelVmalloc {
  const { levels, pageShift } = format.geometry;
  const start = pageOfAddress(layout.vmallocStart, pageShift);
  const end = pageOfAddress(layout.vmallocEnd, pageShift);
  const lastLevel = levels.length - 1;
  const entry = { high: 0, low: 0 };
  /** Ascending by address. */
  const areas: VmArea[] = [];

  /** The first gap that holds the pages and a guard page, as an index into the areas and a page. */
  function findGap(length: number): { readonly at: number; readonly page: number } {
    let page = start;
    for (let at = 0; at < areas.length; at++) {
      const area = areas[at]!;
      if (area.page - page > length) return { at, page };
      page = area.page + area.frames.length + 1;
    }
    return { at: areas.length, page };
  }

  function takeFrames(length: number): readonly number[] | undefined {
    const frames: number[] = [];
    for (let i = 0; i < length; i++) {
      const pfn = pages.alloc(0);
      if (pfn < 0) {
        for (const frame of frames) pages.free(frame, 0);
        return undefined;
      }
      frames.push(pfn);
    }
    return frames;
  }

  /** Runs over an area table by table, each table's entries in one lazy MMU section: `vmap_pages_pte_range`. */
  function eachEntry(
    area: VmArea,
    tableOf: (high: number, low: number) => number,
    visit: (table: number, index: number, i: number) => void,
  ): void {
    for (let i = 0; i < area.frames.length;) {
      const high = pageHigh(area.page + i, pageShift);
      const low = pageLow(area.page + i, pageShift);
      const table = tableOf(high, low);
      const first = format.index(lastLevel, high, low);
      const count = Math.min(area.frames.length - i, 2 ** levels[lastLevel]!.indexBits - first);
      lazy.enable();
      for (let j = 0; j < count; j++) visit(table, first + j, i + j);
      lazy.disable();
      i += count;
    }
  }

  return {
    framesAt(page, length) {
      const area = areas.find((area) => page >= area.page && page < area.page + area.frames.length);
      if (area === undefined || page + length > area.page + area.frames.length) return undefined;
      return area.frames.slice(page - area.page, page - area.page + length);
    },
    alloc(length) {
      const { at, page } = findGap(length);
      if (page + length + 1 > end) return -1;
      const frames = takeFrames(length);
      if (frames === undefined) return -1;
      const area: VmArea = { page, frames };
      areas.splice(at, 0, area);
      eachEntry(
        area,
        (high, low) =>
          ensureTable(tables.root, lastLevel, high, low, false, (level) => tables.allocTable("kernel", level)),
        (table, index, i) => {
          format.makeLeaf(entry, lastLevel, frames[i]!, format.protections.PAGE_KERNEL);
          tables.setPte(table, index, entry.high, entry.low);
        },
      );
      return page;
    },
    free(page) {
      const at = areas.findIndex((area) => area.page === page);
      const area = areas[at];
      if (area === undefined) {
        throw new KpkeysError("ERR_USAGE", `vfree of page 0x${page.toString(16)}, which starts no area`, {
          where: "vmalloc",
        });
      }
      eachEntry(
        area,
        (high, low) => tables.tableAt(tables.root, lastLevel, high, low),
        (table, index) => {
          tables.ptepGetAndClear(table, index);
        },
      );
      tlb.range(pageHigh(page, pageShift), pageLow(page, pageShift), area.frames.length);
      for (const frame of area.frames) pages.free(frame, 0);
      areas.splice(at, 1);
    },
  };
}
