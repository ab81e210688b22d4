import { KpkeysError } from "@kpkeys/core";
import type { PgtableArch, StaticTablePages, StaticTableRun } from "@kpkeys/core/contracts";

const MiB = 2 ** 20;

/** Bytes of the sections of the kernel image, in their order. */
const TEXT_BYTES = 4 * MiB;
const RODATA_BYTES = 2 * MiB;
const DATA_BYTES = 2 * MiB;

/** Bytes of the kernel image. */
export const IMAGE_BYTES: number = TEXT_BYTES + RODATA_BYTES + DATA_BYTES;

/** A section of the image. */
export interface ImageSection {
  /** `text`, `rodata` or `data`. */
  readonly name: "text" | "rodata" | "data";
  /** First page-frame number. */
  readonly pfn: number;
  /** Number of pages. */
  readonly pages: number;
}

/**
 * The kernel image in RAM: 8 MiB of text, rodata and data, each section at a multiple of 2 MiB.
 *
 * ```text
 *   image.pfn            + 4 MiB               + 6 MiB                    + 8 MiB
 *   | text                | rodata … root       | init_mm … static tables  |
 *                               (if read-only)    zero page, (the others)
                                                 init_cred
 * ```
 */
export interface KernelImage extends StaticTablePages {
  /** First page-frame number. */
  readonly pfn: number;
  /** Number of pages. */
  readonly pages: number;
  /** The sections. */
  readonly sections: readonly ImageSection[];
  /** Page-frame number of `init_mm`'s top-level table. */
  readonly root: number;
  /** Page-frame number of the page that holds `init_mm`. */
  readonly initMm: number;
  /** Page-frame number of the page of zeroes. */
  readonly zeroPage: number;
  /** Page-frame number of the page that holds `init_cred` and nothing else. */
  readonly initCredPfn: number;
  /**
   * Takes a page of a static pool for a table.
   * @param role - which pool
   * @returns its page-frame number
   * @throws KpkeysError ERR_SPEC when the pool is used up
   */
  takeTable(role: "image" | "fixmap"): number;
  /**
   * Whether a page lies in the image.
   * @param pfn - page-frame number
   */
  contains(pfn: number): boolean;
}

/**
 * Lays the image out.
 * @param arch - names the static tables and how they are protected
 * @param firstPfn - first page-frame number of RAM
 * @param pageShift - log2 of the page size in bytes
 */
export function layOutImage(arch: PgtableArch, firstPfn: number, pageShift: number): KernelImage {
  const pagesOf = (bytes: number): number => bytes / 2 ** pageShift;
  const pfn = firstPfn + pagesOf(arch.layout.imageOffset);
  const text: ImageSection = { name: "text", pfn, pages: pagesOf(TEXT_BYTES) };
  const rodata: ImageSection = { name: "rodata", pfn: pfn + text.pages, pages: pagesOf(RODATA_BYTES) };
  const data: ImageSection = { name: "data", pfn: rodata.pfn + rodata.pages, pages: pagesOf(DATA_BYTES) };

  let dataEnd = data.pfn + data.pages;
  let rodataEnd = data.pfn;
  const runs = arch.staticTables.map((tables) => {
    const start = tables.protection === "rodata" ? (rodataEnd -= tables.pages) : (dataEnd -= tables.pages);
    return { ...tables, pfn: start, used: 0 };
  });
  const root = runs.find(({ role }) => role === "root");
  if (root === undefined)
    throw new KpkeysError("ERR_PLUGIN_INVALID", "no static table of role 'root'", { where: "staticTables" });

  return {
    pfn,
    pages: pagesOf(IMAGE_BYTES),
    sections: [text, rodata, data],
    root: root.pfn,
    initMm: data.pfn,
    zeroPage: data.pfn + 1,
    initCredPfn: data.pfn + 2,
    keyed: runs
      .filter(({ protection }) => protection === "pkey")
      .map(({ symbol, pfn, pages }): StaticTableRun => ({ symbol, pfn, pages })),
    contains: (page) => page >= pfn && page < pfn + pagesOf(IMAGE_BYTES),
    takeTable(role) {
      const run = runs.find((run) => run.role === role && run.used < run.pages);
      if (run === undefined)
        throw new KpkeysError("ERR_SPEC", `the static tables of role '${role}' are used up`, { where: "staticTables" });
      return run.pfn + run.used++;
    },
  };
}
