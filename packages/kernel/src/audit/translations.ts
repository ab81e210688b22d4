import { applyChange, EntryType, toLevel, toPkey, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { NO_ENTRY } from "../mm/entries.js";
import { Digest } from "./digest.js";
import { visitEntries } from "./table-scan.js";
import type { ScanParts } from "./table-scan.js";

const NO_KEY = toPkey(0);

/** Inputs of a digest of translations. */
export interface TranslationParts extends ScanParts {
  /** Whether a virtual page is in the linear map. */
  readonly isLinear: (page: Vpn) => boolean;
}

/**
 * A digest of the translations of page tables. Machines have equal digests if every address has the same page with the same attributes.
 * The digest does not depend on where tables are allocated: it numbers frames in the order of their first use, and it ignores the keys
 * of the linear map. It also does not depend on whether the linear map has blocks or pages.
 *
 * @param parts - memory, codec, live roots
 * @returns 16 hexadecimal digits
 */
export function digestTranslations(parts: TranslationParts): string {
  const { format, pageKeys, isLinear } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const digest = new Digest();
  const numbers = new Map<number, number>();
  /** The current run of linear-map pages with equal attributes. */
  let run = { page: 0, end: -1, attributes: NO_ENTRY };

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

  /** The attribute bits of a leaf, as a leaf of the last level. */
  function attributesOf(leaf: Words, level: number, pfn: Pfn): Words {
    let page = leaf;
    for (let l = level; l < lastLevel; l++) page = format.splitLeaf(page, toLevel(l));
    return applyChange(page, { clear: format.makeLeaf(toLevel(lastLevel), pfn, NO_ENTRY), set: NO_ENTRY });
  }

  visitEntries(parts, (level, page, high, low) => {
    if (format.typeOf(level, high, low) === EntryType.TABLE) return;
    const pfn = format.pfnOf(high, low);
    const attributes = attributesOf({ high, low }, level, pfn);
    if (isLinear(page)) {
      addLinear(page, 2 ** (levels[level]!.shift - pageShift), pageKeys.withKey(attributes, NO_KEY));
      return;
    }
    if (!numbers.has(pfn)) numbers.set(pfn, numbers.size);
    digest.add(level);
    add(page, attributes, numbers.get(pfn)!);
  });
  endRun();
  return digest.text();
}
