import type { PageTableFormat, PageTables, PgtableArch, PhysicalMemory, ProtectionName } from "@kpkeys/core/contracts";
import { pageHigh, pageLow, pageOfAddress } from "../mm/addresses.js";
import type { Addresses } from "../mm/addresses.js";
import type { EnsureTable } from "../mm/populate.js";
import type { TablePages } from "../mm/table-pages.js";
import { outOfMemory } from "../out-of-memory.js";
import type { KernelImage } from "./image.js";
import type { Memblock } from "./memblock.js";

/** What the mappings of boot are made with. */
export interface MappingParts {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The codec. */
  readonly format: PageTableFormat;
  /** The architecture's way with early tables. */
  readonly arch: PgtableArch;
  /** The setters. */
  readonly tables: PageTables;
  /** Makes missing tables. */
  readonly ensureTable: EnsureTable;
  /** Gives table pages. */
  readonly tablePages: TablePages;
  /** Gives pages for the vmemmap. */
  readonly memblock: Memblock;
  /** Address arithmetic. */
  readonly addresses: Addresses;
  /** The kernel image. */
  readonly image: KernelImage;
  /** Of what leaves the linear map is made. */
  readonly linearMap: "pte" | "block";
}

/** Protections of the image's sections before `mark_rodata_ro`. */
const SECTION_PROTECTION: Readonly<Record<string, ProtectionName>> = {
  text: "PAGE_KERNEL_ROX",
  rodata: "PAGE_KERNEL",
  data: "PAGE_KERNEL",
};

/** Finds the table of a level that translates a kernel page, and makes what is missing. */
export type FindTable = (level: number, page: number) => number;

/** {@link MappingParts.ensureTable} of `init_mm`, for boot, which ends without a table. @throws KpkeysError ERR_OUT_OF_MEMORY */
function tableOf(
  { ensureTable, format }: MappingParts,
  root: number,
  level: number,
  page: number,
  take: (level: number) => number,
  from?: number,
): number {
  const { pageShift } = format.geometry;
  const table = ensureTable(root, level, pageHigh(page, pageShift), pageLow(page, pageShift), false, take, from);
  if (table < 0) throw outOfMemory("a page table of boot");
  return table;
}

/**
 * Makes {@link FindTable} for mappings that go through their pages in turn, as those of boot do: the table above the one found last is
 * kept, as Linux's loops keep it mapped, so that not every table is walked to from the root.
 * @param parts - what the mapping is made with
 * @param take - gives table pages
 */
export function createFindTable(parts: MappingParts, take: () => number): FindTable {
  const { format, tables } = parts;
  const { levels, pageShift } = format.geometry;
  let above = tables.root;
  let aboveLevel = 0;
  let aboveRegion = 0;
  return (level, page) => {
    if (level === 0) return tables.root;
    const region = level === 1 ? 0 : Math.floor(page / 2 ** (levels[level - 2]!.shift - pageShift));
    if (aboveLevel !== level - 1 || aboveRegion !== region) {
      above = tableOf(parts, tables.root, level - 1, page, take);
      aboveLevel = level - 1;
      aboveRegion = region;
    }
    return tableOf(parts, above, level, page, take, aboveLevel);
  };
}

/**
 * Maps a run of pages with page-sized leaves, one table's worth after the other.
 * @param parts - what the mapping is made with
 * @param page - first virtual page
 * @param pfn - first page-frame number
 * @param pages - number of pages
 * @param protection - of each
 * @param find - finds the tables
 */
export function mapPages(
  parts: MappingParts,
  page: number,
  pfn: number,
  pages: number,
  protection: ProtectionName,
  find: FindTable,
): void {
  const { format, tables } = parts;
  const { levels, pageShift } = format.geometry;
  const level = levels.length - 1;
  const entriesPerTable = 2 ** levels[level]!.indexBits;
  const entry = { high: 0, low: 0 };
  for (let done = 0; done < pages;) {
    const high = pageHigh(page + done, pageShift);
    const low = pageLow(page + done, pageShift);
    const table = find(level, page + done);
    const index = format.index(level, high, low);
    const count = Math.min(pages - done, entriesPerTable - index);
    format.makeLeaf(entry, level, pfn + done, format.protections[protection]);
    tables.setPtes(table, index, entry.high, entry.low, count);
    done += count;
  }
}

/** Maps the kernel image from its static pool, and makes the tables of the fixmap from theirs. */
export function mapImageAndFixmap(parts: MappingParts): void {
  const { image, addresses, arch, format, tables, tablePages } = parts;
  const find = createFindTable(parts, () => tablePages.takeStatic("image"));
  for (const { name, pfn, pages } of image.sections) {
    mapPages(parts, addresses.imagePage + pfn - image.pfn, pfn, pages, SECTION_PROTECTION[name]!, find);
  }
  const { levels, pageShift } = format.geometry;
  const slot = pageOfAddress(arch.layout.fixmap, pageShift);
  const level = levels.length - 1;
  tableOf(parts, tables.root, level, slot, () => tablePages.takeStatic("fixmap"));
}

/**
 * Maps the struct pages of all RAM: `vmemmap_populate_hugepages`, with leaves of the level above that of pages where it may have some
 * and memblock has a block for them; `vmemmap_populate_basepages` where the architecture says so.
 */
export function mapVmemmap(parts: MappingParts): void {
  const { memory, arch, format, tables, tablePages, memblock } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const above = levels[lastLevel - 1]!;
  const mayBlock = above.leaf && arch.vmemmapBlocks !== false;
  const blockPages = 2 ** (above.shift - pageShift);
  const start = pageOfAddress(arch.layout.vmemmap, pageShift);
  const end = start + Math.ceil(((memory.endPfn - memory.firstPfn) * arch.layout.structPageSize) / 2 ** pageShift);
  const take = (): number => tablePages.takeEarly("vmemmap");
  const entry = { high: 0, low: 0 };

  function mapLeaf(level: number, page: number, pfn: number): void {
    const table = tableOf(parts, tables.root, level, page, take);
    const index = format.index(level, pageHigh(page, pageShift), pageLow(page, pageShift));
    format.makeLeaf(entry, level, pfn, format.protections.PAGE_KERNEL);
    tables.setEntry(level, table, index, entry.high, entry.low);
  }

  for (let page = start; page < end;) {
    const block = mayBlock && page % blockPages === 0 ? memblock.tryAlloc(blockPages, blockPages) : -1;
    if (block >= 0) mapLeaf(lastLevel - 1, page, block);
    else mapLeaf(lastLevel, page, memblock.alloc(1, 1));
    page += block >= 0 ? blockPages : 1;
  }
}

/**
 * Makes the second-level tables of the vmalloc area where processes share the kernel's half by copying its top-level entries:
 * those may not change once there are processes (x86's `preallocate_vmalloc_pages`).
 */
export function preallocateVmallocTables(parts: MappingParts): void {
  const { format, arch, tables } = parts;
  const { levels, pageShift, splitRoots } = format.geometry;
  if (splitRoots) return;
  const span = 2 ** (levels[0]!.shift - pageShift);
  const end = pageOfAddress(arch.layout.vmallocEnd, pageShift);
  for (let page = pageOfAddress(arch.layout.vmallocStart, pageShift); page < end; page += span) {
    tableOf(parts, tables.root, 1, page, (level) => tables.allocTable("kernel", level));
  }
}
