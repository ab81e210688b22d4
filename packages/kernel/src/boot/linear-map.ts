import { inject, injectable } from "@kpkeys/core";
import { LinearMap, PageTableFormat, PageTables, PgtableArch, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, TableVisitor, Vpn, Words } from "@kpkeys/core/contracts";
import { Policies } from "../machine/tokens.js";
import type { Addresses } from "../mm/addresses.js";
import { Populate } from "../mm/populate.js";
import { TablePages } from "../mm/table-pages.js";
import type { KernelPolicies } from "../machine/policies.js";
import { KernelImage } from "./image.js";
import { fillGap } from "./mappings.js";

/** Linux maps RAM with block mappings of the pmd and pud levels, of at most 1 GiB: `pud_sect_supported()` of arm64. */
const LARGEST_BLOCK_SHIFT = 30;

/** A run of pages. A leaf of the linear map does not cross its ends. */
type Run = readonly [start: Pfn, end: Pfn];

/** Makes the linear map. */
@injectable()
export class LinearMapping {
  /** Whether tables come from the static pool. */
  private usesStaticPool: boolean;

  constructor(
    @inject(PhysicalMemory) private readonly memory: PhysicalMemory,
    @inject(PgtableArch) private readonly arch: PgtableArch,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(Populate) private readonly populate: Populate,
    @inject(TablePages) private readonly tablePages: TablePages,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(Policies) private readonly policies: Required<KernelPolicies>,
  ) {
    this.usesStaticPool = arch.earlyTableAddress === "linear";
  }

  /**
   * Maps all RAM, with pages or with the largest leaves that fit, from the top downward. Memblock also allocates from the top, so a
   * table that is written through the linear map is already mapped. No page of memblock is mapped before the first leaf outside the
   * image. If tables are written at linear addresses, they come from the static pool until then (x86's brk pages).
   */
  mapAll(): void {
    const { tables, addresses } = this;
    const fillWithTable = fillGap(this.populate, () => this.allocTable());
    const visitor: TableVisitor = {
      gap: (entry) => {
        if (!this.isBlock(entry)) return fillWithTable(entry);
        entry.set(this.leafOf(entry.level, entry.page));
        this.countLeaves(entry.level, 1, entry.page);
        return undefined;
      },
      run: ({ level, table, index, page }, count) => {
        tables.setPtes(table, index, this.leafOf(level, page), count);
        this.countLeaves(level, count, page);
        return undefined;
      },
    };
    for (const [start, end] of this.runs().toReversed()) {
      const range = { from: addresses.pageOf(start), to: addresses.pageOf(end) };
      tables.walk(tables.root, range, visitor, { downward: true });
    }
  }

  /**
   * The banks, cut at the ends of the image's sections: the protection of a section can then change without a split (arm64's
   * `map_mem`).
   */
  private runs(): readonly Run[] {
    const cuts = this.image.sections.flatMap(({ pfn, pages }) => [pfn, pfn + pages]);
    return this.memory.banks.flatMap(({ firstPfn, pages }) => {
      const end = firstPfn + pages;
      const points = [...new Set([firstPfn, ...cuts.filter((pfn) => pfn > firstPfn && pfn < end), end])].sort(
        (a, b) => a - b,
      );
      return points.slice(1).map((point, i): Run => [toPfn(points[i]!), toPfn(point)]);
    });
  }

  private allocTable(): Pfn | undefined {
    this.addresses.linearMap.tables++;
    return this.usesStaticPool ? this.tablePages.allocStatic("image") : this.tablePages.allocEarly("early");
  }

  /** Whether one leaf can map all pages that an entry translates, without crossing the ends of a run. */
  private isBlock({ level, page, pages }: EntryCursor): boolean {
    const { levels, pageShift } = this.format.geometry;
    const { shift, leaf } = levels[level]!;
    const size = 2 ** (shift - pageShift);
    const isUsed = leaf && shift <= LARGEST_BLOCK_SHIFT;
    return this.policies.linearMap === "block" && isUsed && pages === size && this.pfnOf(page) % size === 0;
  }

  private leafOf(level: Level, page: Vpn): Words {
    const { format, arch } = this;
    return format.makeLeaf(level, this.pfnOf(page), format.protections[arch.linearMapProtection]);
  }

  /** Counts leaves. If the image is at the top of RAM, pages from memblock are mapped only after the image. */
  private countLeaves(level: Level, leaves: number, page: Vpn): void {
    this.addresses.linearMap.leaves[level]! += leaves;
    if (!this.image.contains(this.pfnOf(page))) this.usesStaticPool = false;
  }

  private pfnOf(page: Vpn): Pfn {
    return toPfn(page - this.addresses.linearPage + this.memory.firstPfn);
  }
}
