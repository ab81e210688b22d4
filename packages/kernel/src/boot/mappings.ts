import { inject, injectable, KpkeysError } from "@kpkeys/core";
import {
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
  PgtableArch,
  PhysicalMemory,
  toLevel,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, ProtectionName, Vpn } from "@kpkeys/core/contracts";
import { pageOfAddress } from "../mm/addresses.js";
import type { Addresses } from "../mm/addresses.js";
import type { BuddyAllocator } from "../mm/buddy.js";
import { Populate } from "../mm/populate.js";
import type { AllocTable } from "../mm/populate.js";
import { TablePages } from "../mm/table-pages.js";
import { outOfMemory } from "../machine/errors.js";
import { KernelImage } from "./image.js";
import type { ImageSection } from "./image.js";
import { Memblock } from "./memblock.js";

/** Protections of the image's sections before `mark_rodata_ro`. */
const SECTION_PROTECTION: Readonly<Record<ImageSection["name"], ProtectionName>> = {
  text: "PAGE_KERNEL_ROX",
  rodata: "PAGE_KERNEL",
  data: "PAGE_KERNEL",
};

/** @throws KpkeysError ERR_OUT_OF_MEMORY */
function noTable(): never {
  throw outOfMemory("a page table during boot");
}

/**
 * Makes the `gap` function of a visitor that links a table into each gap. The function throws ERR_OUT_OF_MEMORY if `alloc` fails.
 * @param populate - links the tables
 * @param alloc - allocates table pages
 */
export function fillGap(populate: Populate, alloc: AllocTable): (entry: EntryCursor) => Pfn {
  return (entry) => {
    const table = populate.link(entry, false, alloc);
    return table === "stop" ? noTable() : table;
  };
}

/** Boot's mappings other than the linear map. */
@injectable()
export class BootMappings {
  private readonly lastLevel: Level;

  constructor(
    @inject(PhysicalMemory) private readonly memory: PhysicalMemory,
    @inject(PgtableArch) private readonly arch: PgtableArch,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(Populate) private readonly populate: Populate,
    @inject(TablePages) private readonly tablePages: TablePages,
    @inject(Memblock) private readonly memblock: Memblock,
    @inject(PageAllocator) private readonly buddy: BuddyAllocator,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(KernelImage) private readonly image: KernelImage,
  ) {
    this.lastLevel = toLevel(format.geometry.levels.length - 1);
  }

  /** Maps the kernel image and makes the tables of the fixmap, both from their static pools. */
  mapImageAndFixmap(): void {
    for (const section of this.image.sections) this.mapSection(section);
    const fixmap = pageOfAddress(this.arch.layout.fixmap, this.format.geometry.pageShift);
    this.ensure(this.lastLevel, fixmap, () => this.tablePages.allocStatic("fixmap"));
  }

  /**
   * Maps the struct pages of all RAM. `vmemmap_populate_hugepages`: with leaves of the second-lowest level, if that level has leaves
   * and memblock has a free block; else with pages. `vmemmap_populate_basepages`, if `vmemmapBlocks` is false: with pages only.
   */
  mapVmemmap(): void {
    const { arch, memblock, lastLevel } = this;
    const { levels, pageShift } = this.format.geometry;
    const { firstPfn, endPfn } = this.memory;
    const above = toLevel(lastLevel - 1);
    const mayBlock = levels[above]!.leaf && arch.vmemmapBlocks !== false;
    const blockPages = 2 ** (levels[above]!.shift - pageShift);
    const start = pageOfAddress(arch.layout.vmemmap, pageShift);
    const end = start + Math.ceil(((endPfn - firstPfn) * arch.layout.structPageSize) / 2 ** pageShift);

    for (let page = toVpn(start); page < end;) {
      const block = mayBlock && page % blockPages === 0 ? memblock.tryAlloc(blockPages, blockPages) : undefined;
      if (block !== undefined) this.mapStructPages(above, page, block);
      else this.mapStructPages(lastLevel, page, memblock.alloc(1, 1, "struct pages"));
      page = toVpn(page + (block === undefined ? 1 : blockPages));
    }
  }

  /**
   * Makes the second-level tables of the vmalloc area, if processes copy the kernel's top-level entries: those must not change
   * while there are processes (x86's `preallocate_vmalloc_pages`).
   */
  preallocateVmallocTables(): void {
    const { tables } = this;
    const { pageShift, splitRoots } = this.format.geometry;
    const { vmallocStart, vmallocEnd } = this.arch.layout;
    if (splitRoots) return;
    const range = { from: pageOfAddress(vmallocStart, pageShift), to: pageOfAddress(vmallocEnd, pageShift) };
    const gap = fillGap(this.populate, (level) => this.allocKernelTable(level));
    tables.walk(tables.root, range, { lowest: toLevel(1), gap });
  }

  /** A page for a kernel table from the buddy allocator. @throws KpkeysError ERR_SPEC if a feature refuses it */
  private allocKernelTable(level: Level): Pfn | undefined {
    const table = this.tables.allocTable("kernel", level);
    const { freePages } = this.buddy;
    if (table !== undefined || freePages === 0) return table;
    throw new KpkeysError(
      "ERR_SPEC",
      `a feature refuses the page of a kernel page table; ${freePages} pages are free`,
      {
        where: "phase mem_init",
        advice:
          "map the linear map with pages (kernel.linearMap 'pte'): no block can be split, to set a key, before the phase system_features",
      },
    );
  }

  private mapSection({ name, pfn, pages }: ImageSection): void {
    const { tables, format, lastLevel } = this;
    const from = this.addresses.imagePageOf(pfn);
    const protection = format.protections[SECTION_PROTECTION[name]];
    const range = { from, to: toVpn(from + pages) };
    tables.walk(tables.root, range, {
      gap: fillGap(this.populate, () => this.tablePages.allocStatic("image")),
      run({ table, index, page }, count) {
        tables.setPtes(table, index, format.makeLeaf(lastLevel, toPfn(pfn + page - from), protection), count);
        return undefined;
      },
    });
  }

  private mapStructPages(level: Level, page: Vpn, pfn: Pfn): void {
    const entry = this.ensure(level, page, () => this.tablePages.allocEarly("vmemmap"));
    entry.set(this.format.makeLeaf(level, pfn, this.format.protections.PAGE_KERNEL));
  }

  /** The entry of `init_mm` that translates a page. Makes missing tables. @throws KpkeysError ERR_OUT_OF_MEMORY */
  private ensure(level: Level, page: Vpn, alloc: AllocTable): EntryCursor {
    return this.populate.ensure(this.tables.root, level, page, false, alloc) ?? noTable();
  }
}
