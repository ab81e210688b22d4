import { inject, injectable, KpkeysError } from "@kpkeys/core";
import { PgtableArch, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Pfn, StaticTablePages, StaticTableRun, StaticTables } from "@kpkeys/core/contracts";
import { TooSmall } from "../machine/errors.js";

const MiB = 2 ** 20;

/** Sizes of the sections of the kernel image in bytes, in address order. */
const TEXT_BYTES = 4 * MiB;
const RODATA_BYTES = 2 * MiB;
const DATA_BYTES = 2 * MiB;

/** Size of the kernel image in bytes. */
export const IMAGE_BYTES: number = TEXT_BYTES + RODATA_BYTES + DATA_BYTES;

/** The roles of the pools from which boot allocates tables. */
export type StaticRole = Exclude<StaticTables["role"], "root">;

/** A section of the image. */
export interface ImageSection {
  /** `text`, `rodata` or `data`. */
  readonly name: "text" | "rodata" | "data";
  /** First page-frame number. */
  readonly pfn: Pfn;
  /** Number of pages. */
  readonly pages: number;
}

/** The static tables of one symbol. The first `used` pages are allocated. */
interface TableRun extends StaticTables {
  readonly pfn: Pfn;
  used: number;
}

/**
 * The kernel image in RAM: 8 MiB of text, rodata and data, each section at a multiple of 2 MiB.
 *
 * ```text
 *   image.pfn            + 4 MiB               + 6 MiB                    + 8 MiB
 *   | text                | rodata … root       | init_mm … static tables  |
 *                               (if read-only)    zero page, (the others)
 *                                               init_cred
 * ```
 */
@injectable()
export class KernelImage implements StaticTablePages {
  /** First page-frame number. */
  readonly pfn: Pfn;
  /** Number of pages. */
  readonly pages: number;
  /** The sections. */
  readonly sections: readonly [text: ImageSection, rodata: ImageSection, data: ImageSection];
  /** Page-frame number of `init_mm`'s top-level table. */
  readonly root: Pfn;
  /** Page-frame number of the page that holds `init_mm`. */
  readonly initMm: Pfn;
  /** Page-frame number of the zero page. */
  readonly zeroPage: Pfn;
  /** Page-frame number of the page of `init_cred`, which holds nothing else. */
  readonly initCredPfn: Pfn;
  readonly keyed: readonly StaticTableRun[];
  private readonly runs: readonly TableRun[];
  /** Tables that were allocated after the pool of their role was empty. */
  private readonly beyond: Record<StaticRole, number> = { image: 0, fixmap: 0 };

  /**
   * @param arch - names the static tables and their protection
   * @param memory - RAM
   * @throws KpkeysError ERR_PLUGIN_INVALID for an architecture without a static table of role `root`
   */
  constructor(@inject(PgtableArch) arch: PgtableArch, @inject(PhysicalMemory) memory: PhysicalMemory) {
    const pagesOf = (bytes: number): number => bytes / 2 ** memory.pageShift;
    const section = (name: ImageSection["name"], pfn: Pfn, bytes: number): ImageSection => ({
      name,
      pfn: toPfn(pfn),
      pages: pagesOf(bytes),
    });
    this.pfn = toPfn(memory.firstPfn + pagesOf(arch.layout.imageOffset));
    this.pages = pagesOf(IMAGE_BYTES);
    const text = section("text", this.pfn, TEXT_BYTES);
    const rodata = section("rodata", toPfn(text.pfn + text.pages), RODATA_BYTES);
    const data = section("data", toPfn(rodata.pfn + rodata.pages), DATA_BYTES);
    this.sections = [text, rodata, data];
    this.initMm = data.pfn;
    this.zeroPage = toPfn(data.pfn + 1);
    this.initCredPfn = toPfn(data.pfn + 2);
    this.runs = placeTables(arch.staticTables, data.pfn, data.pfn + data.pages);
    this.keyed = this.runs
      .filter(({ protection }) => protection === "pkey")
      .map(({ symbol, role, pfn, pages }): StaticTableRun => ({ symbol, role, pfn, pages }));
    const root = this.runs.find(({ role }) => role === "root");
    if (root === undefined)
      throw new KpkeysError("ERR_PLUGIN_INVALID", "cannot place the top-level table: no static table has role 'root'", {
        where: "staticTables",
        expected: "one run with role 'root'",
      });
    this.root = root.pfn;
  }

  /**
   * Whether a page is in the image.
   * @param pfn - page-frame number
   */
  contains(pfn: Pfn): boolean {
    return pfn >= this.pfn && pfn < this.pfn + this.pages;
  }

  /**
   * Allocates a table from a static pool. An empty pool is extended into the unused pages of data, so that {@link checkPools} can report
   * the number of tables that boot needs.
   * @param role - the role of the pool
   * @returns the page-frame number of the table
   * @throws KpkeysError ERR_OUT_OF_MEMORY if data has no unused page
   */
  allocTable(role: StaticRole): Pfn {
    const run = this.runs.find((run) => run.role === role && run.used < run.pages);
    if (run !== undefined) return toPfn(run.pfn + run.used++);
    this.beyond[role]++;
    const spare = this.initCredPfn + this.beyond.image + this.beyond.fixmap;
    if (this.runs.some(({ pfn }) => pfn === spare)) throw this.exhausted(role, "more than ");
    return toPfn(spare);
  }

  /**
   * Checks that the pools had a page for each table that was allocated from them. Called when boot allocates no more from them.
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  checkPools(): void {
    for (const role of ["image", "fixmap"] as const) if (this.beyond[role] > 0) throw this.exhausted(role, "");
  }

  private exhausted(role: StaticRole, bound: string): TooSmall {
    const available = this.runs.reduce((sum, run) => sum + (run.role === role ? run.pages : 0), 0);
    const needed = available + this.beyond[role];
    return new TooSmall(
      `static tables exhausted: ${bound}${needed} needed, ${available} available in the image (role '${role}')`,
      "reserve more pages in PgtableArch.staticTables",
    );
  }
}

/** Places static tables downward from the end of rodata or data, in the order of the list. */
function placeTables(tables: readonly StaticTables[], rodataEnd: number, dataEnd: number): readonly TableRun[] {
  return tables.map((run) => {
    const pfn = run.protection === "rodata" ? (rodataEnd -= run.pages) : (dataEnd -= run.pages);
    return { ...run, pfn: toPfn(pfn), used: 0 };
  });
}
