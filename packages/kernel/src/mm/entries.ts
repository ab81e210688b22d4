import type { Words } from "@kpkeys/core/contracts";

/** An empty entry. */
export const NO_ENTRY: Words = { high: 0, low: 0 };

/**
 * A copy of an entry with a higher output address.
 * @param entry - the original
 * @param pages - difference of the output addresses in pages, 0 or more
 * @param pageShift - log2 of the page size in bytes
 */
export function entryAfter(entry: Words, pages: number, pageShift: number): Words {
  if (pages === 0) return entry;
  const number = (entry.low >>> pageShift) + pages;
  const low = (number << pageShift) | (entry.low & ((1 << pageShift) - 1));
  return { high: (entry.high + (number >>> (32 - pageShift))) | 0, low };
}
