import { pageHigh, pageLow } from "../mm/addresses.js";
import { createFindTable, mapPages } from "./mappings.js";
import type { MappingParts } from "./mappings.js";

/**
 * Linux maps memory by blocks of its pmd and pud levels, of 1 GiB at most: larger ones, which an architecture may have too, it does not
 * use (`pud_sect_supported` of arm64).
 */
const LARGEST_BLOCK_SHIFT = 30;

/** A run of pages that no leaf of the linear map reaches out of. */
type Run = readonly [start: number, end: number];

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

/** The level of the largest leaf that can end where a run ends, without reaching out of it at its start. */
function leafLevel({ format, memory, addresses, linearMap }: MappingParts, [start, end]: Run): number {
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  if (linearMap === "pte") return lastLevel;
  return levels.findIndex(({ leaf, shift }, level) => {
    const pages = 2 ** (shift - pageShift);
    const first = end - pages;
    const page = addresses.linearPage + first - memory.firstPfn;
    const isUsed = leaf && shift <= LARGEST_BLOCK_SHIFT;
    return level === lastLevel || (isUsed && first >= start && first % pages === 0 && page % pages === 0);
  });
}

/**
 * Maps all RAM, by pages or by the largest leaves that fit, from its top downward: memblock hands out pages from the top too, so a
 * table written through the linear map lies in what is mapped already. Only the first piece, and the image if it is at the top, have no
 * such table yet; where tables are written at linear addresses, those of them come from the static pool (x86's brk pages).
 */
export function mapLinear(parts: MappingParts): void {
  const { memory, arch, addresses, image, tablePages, format, tables } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const counts = addresses.linearMap;
  const protection = format.protections[arch.linearMapProtection];
  const entry = { high: 0, low: 0 };
  let takePage = (): number => tablePages.takeStatic("image");
  if (arch.earlyTableAddress === "fixmap") takePage = () => tablePages.takeEarly("early");
  const take = (): number => {
    counts.tables++;
    return takePage();
  };
  const find = createFindTable(parts, take);

  for (const [start, runEnd] of linearRuns(parts).toReversed()) {
    for (let end = runEnd; end > start;) {
      const level = leafLevel(parts, [start, end]);
      const leafPages = 2 ** (levels[level]!.shift - pageShift);
      // Pages are mapped a table at a time.
      const leaves = level === lastLevel ? Math.min(2 ** levels[level]!.indexBits, end - start) : 1;
      const first = end - leaves * leafPages;
      const page = addresses.linearPage + first - memory.firstPfn;
      if (level === lastLevel) mapPages(parts, page, first, leaves, arch.linearMapProtection, find);
      else {
        const table = find(level, page);
        format.makeLeaf(entry, level, first, protection);
        tables.setEntry(
          level,
          table,
          format.index(level, pageHigh(page, pageShift), pageLow(page, pageShift)),
          entry.high,
          entry.low,
        );
      }
      counts.leaves[level]! += leaves;
      end = first;
      // Where the image lies at the top of RAM, what memblock hands out is not mapped before it.
      if (!image.contains(first)) takePage = () => tablePages.takeEarly("early");
    }
  }
}
