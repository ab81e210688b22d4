import { toPfn } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, TableVisitor, Vpn } from "@kpkeys/core/contracts";
import { fillGap, leafOf } from "./mappings.js";
import type { MappingParts } from "./mappings.js";

/**
 * Linux maps memory by blocks of its pmd and pud levels, of 1 GiB at most: larger ones, which an architecture may have too, it does not
 * use (`pud_sect_supported` of arm64).
 */
const LARGEST_BLOCK_SHIFT = 30;

/** A run of pages that no leaf of the linear map reaches out of. */
type Run = readonly [start: Pfn, end: Pfn];

/**
 * The banks, cut where the image's sections begin and end, so that each section's pages can get a protection of their own without
 * a split (arm64's `map_mem`).
 */
function linearRuns({ memory, image }: MappingParts): readonly Run[] {
  const cuts = image.sections.flatMap(({ pfn, pages }) => [pfn, pfn + pages]);
  return memory.banks.flatMap(({ firstPfn, pages }) => {
    const end = firstPfn + pages;
    const points = [...new Set([firstPfn, ...cuts.filter((pfn) => pfn > firstPfn && pfn < end), end])].sort(
      (a, b) => a - b,
    );
    return points.slice(1).map((point, i): Run => [points[i]!, point]);
  });
}

/**
 * Maps all RAM, by pages or by the largest leaves that fit, from its top downward: memblock hands out pages from the top too, so a
 * table written through the linear map lies in what is mapped already. Only the first piece, and the image if it is at the top, have no
 * such table yet; where tables are written at linear addresses, those of them come from the static pool (x86's brk pages).
 */
export function mapLinear(parts: MappingParts): void {
  const { memory, arch, addresses, image, tablePages, format, tables, linearMap } = parts;
  const { levels, pageShift } = format.geometry;
  const counts = addresses.linearMap;
  let takePage = (): Pfn => tablePages.takeStatic("image");
  if (arch.earlyTableAddress === "fixmap") takePage = () => tablePages.takeEarly("early");
  const take = (): Pfn => {
    counts.tables++;
    return takePage();
  };
  const pfnOf = (page: Vpn): Pfn => toPfn(page - addresses.linearPage + memory.firstPfn);

  function note(level: Level, leaves: number, first: Pfn): void {
    counts.leaves[level]! += leaves;
    // Where the image lies at the top of RAM, what memblock hands out is not mapped before it.
    if (!image.contains(first)) takePage = () => tablePages.takeEarly("early");
  }

  /** Whether a leaf maps all that an entry translates, inside one run of pages. */
  function isBlock({ level, page, pages }: EntryCursor): boolean {
    const size = 2 ** (levels[level]!.shift - pageShift);
    const isUsed = levels[level]!.leaf && levels[level]!.shift <= LARGEST_BLOCK_SHIFT;
    return linearMap === "block" && isUsed && pages === size && pfnOf(page) % size === 0;
  }

  const fillWithTable = fillGap(parts, take);
  for (const [start, end] of linearRuns(parts).toReversed()) {
    const range = { from: addresses.pageOf(start), to: addresses.pageOf(end) };
    const visitor: TableVisitor = {
      gap(entry) {
        if (!isBlock(entry)) return fillWithTable(entry);
        const first = pfnOf(entry.page);
        entry.set(leafOf(format, entry.level, first, arch.linearMapProtection));
        note(entry.level, 1, first);
        return undefined;
      },
      run({ level, table, index, page }, count) {
        const first = pfnOf(page);
        tables.setPtes(table, index, leafOf(format, level, first, arch.linearMapProtection), count);
        note(level, count, first);
        return undefined;
      },
    };
    tables.walk(tables.root, range, visitor, { downward: true });
  }
}
