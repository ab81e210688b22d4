import type { Words } from "@kpkeys/core/contracts";

/** An entry that is not in use. */
export const NO_ENTRY: Words = { high: 0, low: 0 };

/**
 * The entry whose address is some pages further than that of another one, which is otherwise alike.
 * @param entry - the other one
 * @param pages - how many, 0 or more
 * @param pageShift - log2 of the page size in bytes
 */
export function entryAfter(entry: Words, pages: number, pageShift: number): Words {
  if (pages === 0) return entry;
  const number = (entry.low >>> pageShift) + pages;
  const low = (number << pageShift) | (entry.low & ((1 << pageShift) - 1));
  return { high: (entry.high + (number >>> (32 - pageShift))) | 0, low };
}
