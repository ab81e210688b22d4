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

/**
 * Linux maps memory by blocks of its pmd and pud levels, of 1 GiB at most: larger ones, which an architecture may have too, it does not
 * use (`pud_sect_supported` of arm64).
 */
const LARGEST_BLOCK_SHIFT = 30;

/** A run of pages that no leaf of the linear map reaches out of. */
type Run = readonly [start: Pfn, end: Pfn];

/** Makes the linear map. */
@injectable()
export class LinearMapping {
  /** Whether tables come from the static pool. */
  private takesStatic: boolean;

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
    this.takesStatic = arch.earlyTableAddress === "linear";
  }

  /**
   * Maps all RAM, by pages or by the largest leaves that fit, from its top downward: memblock hands out pages from the top too, so a
   * table written through the linear map lies in what is mapped already. Only the first piece, and the image if it is at the top, have
   * no such table yet; where tables are written at linear addresses, those of them come from the static pool (x86's brk pages).
   */
  mapAll(): void {
    const { tables, addresses } = this;
    const fillWithTable = fillGap(this.populate, () => this.takeTable());
    const visitor: TableVisitor = {
      gap: (entry) => {
        if (!this.isBlock(entry)) return fillWithTable(entry);
        entry.set(this.leafOf(entry.level, entry.page));
        this.note(entry.level, 1, entry.page);
        return undefined;
      },
      run: ({ level, table, index, page }, count) => {
        tables.setPtes(table, index, this.leafOf(level, page), count);
        this.note(level, count, page);
        return undefined;
      },
    };
    for (const [start, end] of this.runs().toReversed()) {
      const range = { from: addresses.pageOf(start), to: addresses.pageOf(end) };
      tables.walk(tables.root, range, visitor, { downward: true });
    }
  }

  /**
   * The banks, cut where the image's sections begin and end, so that each section's pages can get a protection of their own without
   * a split (arm64's `map_mem`).
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

  private takeTable(): Pfn | undefined {
    this.addresses.linearMap.tables++;
    return this.takesStatic ? this.tablePages.takeStatic("image") : this.tablePages.takeEarly("early");
  }

  /** Whether a leaf maps all that an entry translates, inside one run of pages. */
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

  /** Counts leaves. Where the image lies at the top of RAM, what memblock hands out is not mapped before it. */
  private note(level: Level, leaves: number, page: Vpn): void {
    this.addresses.linearMap.leaves[level]! += leaves;
    if (!this.image.contains(this.pfnOf(page))) this.takesStatic = false;
  }

  private pfnOf(page: Vpn): Pfn {
    return toPfn(page - this.addresses.linearPage + this.memory.firstPfn);
  }
}
