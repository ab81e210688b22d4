import { EntryType, toLevel, toPfn, toPkey, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { Entry, Vpn } from "@kpkeys/core/contracts";
import { createDigest } from "./digest.js";
import { visitEntries } from "./table-scan.js";
import type { ScanParts } from "./table-scan.js";

/** What a digest of translations is made of. */
export interface TranslationParts extends ScanParts {
  /** Whether a virtual page lies in the linear map. */
  readonly isLinear: (page: Vpn) => boolean;
}

/**
 * A digest of what page tables translate, wherever the tables lie: equal for machines on which every address leads to the same page
 * with the same attributes. Two things are left out, because they follow from the places of tables: which frame a page has (frames
 * are numbered in the order in which they are met, so that shared ones stay shared) and the keys of the linear map. Whether the
 * linear map consists of blocks or of pages makes no difference.
 *
 * @param parts - memory, codec, live roots
 * @returns 16 hexadecimal digits
 */
export function digestTranslations(parts: TranslationParts): string {
  const { format, isLinear } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const key = format.pkeyChange(toPkey(0)).clear;
  const digest = createDigest();
  const entry: Entry = { high: 0, low: 0 };
  const address: Entry = { high: 0, low: 0 };
  const numbers = new Map<number, number>();
  /** The part of the linear map that has one set of attributes, as far as it was met. */
  const run = { page: 0, end: -1, high: 0, low: 0 };

  function add(page: number, last: number): void {
    const { high, low } = wordsOf(toVpn(page), pageShift);
    for (const word of [high, low, entry.high, entry.low, last]) digest.add(word | 0);
  }

  function endRun(): void {
    if (run.end < 0) return;
    entry.high = run.high;
    entry.low = run.low;
    add(run.page, run.end - run.page);
  }

  function addLinear(page: number, pages: number): void {
    const high = entry.high & ~key.high;
    const low = entry.low & ~key.low;
    if (page !== run.end || high !== run.high || low !== run.low) {
      endRun();
      Object.assign(run, { page, high, low });
    }
    run.end = page + pages;
  }

  /** Leaves the attributes of a page in the scratch entry. */
  function readAttributes(level: number, pfn: number, high: number, low: number): void {
    entry.high = high;
    entry.low = low;
    for (let l = level; l < lastLevel; l++) format.splitLeaf(entry, toLevel(l));
    format.makeLeaf(address, toLevel(lastLevel), toPfn(pfn), { high: 0, low: 0 });
    entry.high &= ~address.high;
    entry.low &= ~address.low;
  }

  visitEntries(parts, (level, page, high, low) => {
    if (format.typeOf(level, high, low) === EntryType.TABLE) return;
    const pfn = format.pfnOf(high, low);
    readAttributes(level, pfn, high, low);
    if (isLinear(page)) {
      addLinear(page, 2 ** (levels[level]!.shift - pageShift));
      return;
    }
    if (!numbers.has(pfn)) numbers.set(pfn, numbers.size);
    digest.add(level);
    add(page, numbers.get(pfn)!);
  });
  endRun();
  return digest.text();
}
