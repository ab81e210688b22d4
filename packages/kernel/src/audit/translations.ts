import { applyChange, EntryType, toLevel, toPkey, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { createDigest } from "./digest.js";
import { visitEntries } from "./table-scan.js";
import type { ScanParts } from "./table-scan.js";

const NO_BITS: Words = { high: 0, low: 0 };

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
  const noKey = { clear: format.pkeyChange(toPkey(0)).clear, set: NO_BITS };
  const digest = createDigest();
  const numbers = new Map<number, number>();
  /** The part of the linear map that has one set of attributes, as far as it was met. */
  let run = { page: 0, end: -1, attributes: NO_BITS };

  function add(page: number, attributes: Words, last: number): void {
    const { high, low } = wordsOf(toVpn(page), pageShift);
    for (const word of [high, low, attributes.high, attributes.low, last]) digest.add(word | 0);
  }

  function endRun(): void {
    if (run.end >= 0) add(run.page, run.attributes, run.end - run.page);
  }

  function addLinear(page: number, pages: number, attributes: Words): void {
    const { high, low } = run.attributes;
    if (page !== run.end || attributes.high !== high || attributes.low !== low) {
      endRun();
      run = { page, end: page, attributes };
    }
    run.end = page + pages;
  }

  /** The bits of a page's leaf without its address. */
  function attributesOf(leaf: Words, level: number, pfn: Pfn): Words {
    let page = leaf;
    for (let l = level; l < lastLevel; l++) page = format.splitLeaf(page, toLevel(l));
    return applyChange(page, { clear: format.makeLeaf(toLevel(lastLevel), pfn, NO_BITS), set: NO_BITS });
  }

  visitEntries(parts, (level, page, high, low) => {
    if (format.typeOf(level, high, low) === EntryType.TABLE) return;
    const pfn = format.pfnOf(high, low);
    const attributes = attributesOf({ high, low }, level, pfn);
    if (isLinear(page)) {
      addLinear(page, 2 ** (levels[level]!.shift - pageShift), applyChange(attributes, noKey));
      return;
    }
    if (!numbers.has(pfn)) numbers.set(pfn, numbers.size);
    digest.add(level);
    add(page, attributes, numbers.get(pfn)!);
  });
  endRun();
  return digest.text();
}
