/**
 * A tag that no address has. A tag is address bits 53 to 22, and an address is looked up only if bits 63 to 52 are alike, so
 * bits 31 and 30 of a true tag are alike.
 */
export const NO_TAG = 0x40000000;
/** Pages of 4 KiB, or pieces of larger pages, that may have fast tags at once. */
export const SLOTS = 1024;
// What is exported is loaded each time; what is not is folded.
const TAGS = 1024;
/** Banks in use, one for each value of the key register. */
const BANKS = 8;

/**
 * What makes a hit of a kernel-mode access one compare: for each value of the key register in use a bank of tags for reads and
 * one for writes, in which a page's tag stands only while the TLB holds the page and allows that access under that value. A
 * bank's index is that of its first tag. A page has one slot, whatever the TLB's geometry, and shares it with others; a page that is
 * larger than 4 KiB has one for each 4 KiB of it.
 *
 * ```text
 *   address   63 ....... 52 | 51 ............. 22 | 21 ......... 12 | 11 ...... 3 | 2 0
 *             all alike     | tag (with 53 and 52)| slot            | word of the page
 * ```
 */
export interface FastTags {
  /** Tags of what may be read, bank by bank. */
  readonly reads: Int32Array;
  /** Tags of what may be written, bank by bank. */
  readonly writes: Int32Array;
  /** Where the page of each tag stands in the content of physical memory: at the tag's own place, so that one check of it serves both. */
  readonly offsets: Int32Array;
  /** Index of a bank that stays empty, for the time between a register write and its synchronisation. */
  readonly emptyBank: number;
  /**
   * Finds or makes the bank of a register value; the least recently selected one is given up for it.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns the bank's index
   */
  select(high: number, low: number): number;
  /**
   * Allows an access without further checks; what was allowed of another page in the slot is taken back.
   * @param bank - index of the bank
   * @param slot - the page's slot
   * @param tag - the address's tag
   * @param write - whether writes are allowed, or reads
   * @param offset - where the page's content stands
   */
  allow(bank: number, slot: number, tag: number, write: boolean, offset: number): void;
  /** Takes back all that was allowed in a slot. @param slot - address bits 21 to 12 */
  clearSlot(slot: number): void;
  /** Takes back all that was allowed. */
  clear(): void;
}

/** @returns tags that allow nothing */
export function createFastTags(): FastTags {
  const emptyBank = BANKS * TAGS;
  const reads = new Int32Array(emptyBank + TAGS).fill(NO_TAG);
  const writes = new Int32Array(emptyBank + TAGS).fill(NO_TAG);
  const offsets = new Int32Array(emptyBank + TAGS);
  /** Tag of the page that has each slot. */
  const owners = new Int32Array(TAGS).fill(NO_TAG);
  /** Which banks have a tag in each slot, a bit each. */
  const occupied = new Int32Array(TAGS);
  let anyOccupied = false;
  // Banks and their values, the most recently selected first; the first two stand for each other, because guards alternate between
  // two values. Arrays of no more than 16 words stand in V8's moving heap and are slower to reach: these are longer than they need be.
  const banks = new Int32Array(4 * BANKS).map((_, place) => place * TAGS);
  const valuesHigh = new Int32Array(4 * BANKS);
  const valuesLow = new Int32Array(4 * BANKS);

  function select(high: number, low: number): number {
    if (valuesLow[0] === low && valuesHigh[0] === high) return banks[0]!;
    if (valuesLow[1] === low && valuesHigh[1] === high) return banks[1]!;
    return selectAnother(high, low);
  }

  function selectAnother(high: number, low: number): number {
    let place = 2;
    while (place < BANKS && !(valuesLow[place] === low && valuesHigh[place] === high)) place++;
    if (place === BANKS) {
      place--;
      reads.fill(NO_TAG, banks[place], banks[place]! + TAGS);
      writes.fill(NO_TAG, banks[place], banks[place]! + TAGS);
    }
    const bank = banks[place]!;
    banks.copyWithin(1, 0, place);
    valuesHigh.copyWithin(1, 0, place);
    valuesLow.copyWithin(1, 0, place);
    banks[0] = bank;
    valuesHigh[0] = high;
    valuesLow[0] = low;
    return bank;
  }

  function allow(bank: number, slot: number, tag: number, write: boolean, offset: number): void {
    if (owners[slot] !== tag) {
      clearSlot(slot);
      owners[slot] = tag;
    }
    (write ? writes : reads)[bank + slot] = tag;
    offsets[bank + slot] = offset;
    occupied[slot]! |= 1 << (bank / TAGS);
    anyOccupied = true;
  }

  function clearSlot(slot: number): void {
    for (let banks = occupied[slot]!; banks !== 0; banks &= banks - 1) {
      const index = (31 - Math.clz32(banks & -banks)) * TAGS + slot;
      reads[index] = NO_TAG;
      writes[index] = NO_TAG;
    }
    occupied[slot] = 0;
  }

  function clear(): void {
    if (!anyOccupied) return;
    reads.fill(NO_TAG);
    writes.fill(NO_TAG);
    occupied.fill(0);
    anyOccupied = false;
  }

  return { reads, writes, offsets, emptyBank, select, allow, clearSlot, clear };
}
