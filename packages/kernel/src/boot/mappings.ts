import { toLevel, toPfn, toVpn } from "@kpkeys/core/contracts";
import type {
  EntryCursor,
  Level,
  PageTableFormat,
  PageTables,
  Pfn,
  PgtableArch,
  PhysicalMemory,
  ProtectionName,
  Vpn,
  Words,
} from "@kpkeys/core/contracts";
import { pageOfAddress } from "../mm/addresses.js";
import type { Addresses } from "../mm/addresses.js";
import type { Populate, TakeTable } from "../mm/populate.js";
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
  readonly populate: Populate;
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

/** Ends boot. @returns never */
function noTable(): never {
  throw outOfMemory("a page table of boot");
}

/**
 * Makes the `gap` function of a visitor that fills gaps with tables of boot.
 * @param parts - what the mapping is made with
 * @param take - gives table pages
 * @throws KpkeysError ERR_OUT_OF_MEMORY, while the walk goes on, when there is none
 */
export function fillGap({ populate }: MappingParts, take: TakeTable): (entry: EntryCursor) => Pfn {
  return (entry) => {
    const table = populate.link(entry, false, take);
    return table === "stop" ? noTable() : table;
  };
}

/** The entry of `init_mm` that translates a page, with the tables that it needs. @throws KpkeysError ERR_OUT_OF_MEMORY */
function ensure({ populate, tables }: MappingParts, level: Level, page: Vpn, take: TakeTable): EntryCursor {
  return populate.ensure(tables.root, level, page, false, take) ?? noTable();
}

/**
 * A leaf as an entry.
 * @param format - the codec
 * @param level - of the table that it goes to
 * @param pfn - first page-frame number
 * @param protection - its other bits
 */
export function leafOf(format: PageTableFormat, level: Level, pfn: Pfn, protection: ProtectionName): Words {
  const leaf = { high: 0, low: 0 };
  format.makeLeaf(leaf, level, pfn, format.protections[protection]);
  return leaf;
}

/** Maps the kernel image from its static pool, and makes the tables of the fixmap from theirs. */
export function mapImageAndFixmap(parts: MappingParts): void {
  const { image, addresses, arch, format, tables, tablePages } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = toLevel(levels.length - 1);
  for (const { name, pfn, pages } of image.sections) {
    const from = toVpn(addresses.imagePage + pfn - image.pfn);
    tables.walk(
      tables.root,
      { from, to: toVpn(from + pages) },
      {
        gap: fillGap(parts, () => tablePages.takeStatic("image")),
        run({ table, index, page }, count) {
          const first = leafOf(format, lastLevel, toPfn(pfn + page - from), SECTION_PROTECTION[name]!);
          tables.setPtes(table, index, first, count);
          return undefined;
        },
      },
    );
  }
  ensure(parts, lastLevel, pageOfAddress(arch.layout.fixmap, pageShift), () => tablePages.takeStatic("fixmap"));
}

/**
 * Maps the struct pages of all RAM: `vmemmap_populate_hugepages`, with leaves of the level above that of pages where it may have some
 * and memblock has a block for them; `vmemmap_populate_basepages` where the architecture says so.
 */
export function mapVmemmap(parts: MappingParts): void {
  const { memory, arch, format, tablePages, memblock } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = toLevel(levels.length - 1);
  const above = levels[lastLevel - 1]!;
  const mayBlock = above.leaf && arch.vmemmapBlocks !== false;
  const blockPages = 2 ** (above.shift - pageShift);
  const start = pageOfAddress(arch.layout.vmemmap, pageShift);
  const end = start + Math.ceil(((memory.endPfn - memory.firstPfn) * arch.layout.structPageSize) / 2 ** pageShift);
  const take = (): Pfn => tablePages.takeEarly("vmemmap");
  const mapLeaf = (level: Level, page: Vpn, pfn: Pfn): void => {
    ensure(parts, level, page, take).set(leafOf(format, level, pfn, "PAGE_KERNEL"));
  };

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
  const { pageShift, splitRoots } = format.geometry;
  if (splitRoots) return;
  const from = pageOfAddress(arch.layout.vmallocStart, pageShift);
  const to = pageOfAddress(arch.layout.vmallocEnd, pageShift);
  const gap = fillGap(parts, (level) => tables.allocTable("kernel", level));
  tables.walk(tables.root, { from, to }, { lowest: toLevel(1), gap });
}
