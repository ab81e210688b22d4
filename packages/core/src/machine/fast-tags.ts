/** A tag that no address has: in the tag of an address that is looked up, bits 31 and 30 are equal. */
export const NO_TAG = 0x40000000;
/** Number of 4 KiB pages, or 4 KiB parts of larger pages, that can have fast tags at once. */
export const SLOTS = 1024;
// Local copies: docs/performance.md, "Imported bindings".
const TAGS = 1024;
/** Result for an access that needs the TLB. */
const MISS = -1;
/** Number of banks, each for one value of the key register. */
const BANKS = 8;
/** Index of a bank that stays empty, for the time between a write of the key register and its synchronisation. */
export const EMPTY_BANK: number = BANKS * TAGS;

/** The slot of a page. @param low - bits 31 to 0 of an address in it @returns address bits 21 to 12 */
export function slotOf(low: number): number {
  return (low >>> 12) & (TAGS - 1);
}

/** The tag of a page. @param high - bits 63 to 32 of an address in it @param low - bits 31 to 0 @returns address bits 53 to 22 */
function tagOf(high: number, low: number): number {
  return (high << 10) | (low >>> 22);
}

/** Whether address bits 63 to 52 are equal: the tag does not contain them. */
function isInRange(high: number): boolean {
  return (high + 0x100000) >>> 0 < 0x200000;
}

/**
 * The fast path of kernel-mode accesses: one compare decides a hit. Each value of the key register in use has a bank of tags for
 * reads and one for writes. A page's tag is in a bank only while the TLB holds the page's translation and the value allows the
 * access. A bank is identified by the index of its first tag. Each page has one slot, for every geometry of the TLB; pages that share a
 * slot evict each other. A page larger than 4 KiB has a tag for each 4 KiB of it.
 *
 * ```text
 *   address   63 ....... 52 | 51 ............. 22 | 21 ......... 12 | 11 ...... 3 | 2 0
 *             all equal     | tag (with 53 and 52)| slot            | word of the page
 * ```
 */
export class FastTags {
  private readonly reads: Int32Array = new Int32Array(EMPTY_BANK + TAGS).fill(NO_TAG);
  private readonly writes: Int32Array = new Int32Array(EMPTY_BANK + TAGS).fill(NO_TAG);
  /** Offset of the content of each tag's page, in words of physical memory. */
  private readonly offsets: Int32Array = new Int32Array(EMPTY_BANK + TAGS);
  /** Tag of the page that each slot belongs to. */
  private readonly owners: Int32Array = new Int32Array(TAGS).fill(NO_TAG);
  /** Bitmap of the banks that have a tag in each slot. */
  private readonly occupied: Int32Array = new Int32Array(TAGS);
  private anyOccupied = false;
  /** The banks and their register values, most recently selected first. */
  private readonly banks: Int32Array = Int32Array.from({ length: BANKS }, (_, place) => place * TAGS);
  private readonly valuesHigh: Int32Array = new Int32Array(BANKS);
  private readonly valuesLow: Int32Array = new Int32Array(BANKS);

  /**
   * The word that a load accesses without the TLB.
   * @param bank - index of the bank
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @returns an index into the words of physical memory, or -1 for an access that needs the TLB
   */
  readable(bank: number, high: number, low: number): number {
    const at = bank + ((low >>> 12) & (TAGS - 1));
    if (this.reads[at] !== ((high << 10) | (low >>> 22)) || !isInRange(high)) return MISS;
    return (this.offsets[at]! + ((low >>> 2) & 1022)) | 0;
  }

  /** The word that a store accesses without the TLB: see {@link readable}. */
  writable(bank: number, high: number, low: number): number {
    const at = bank + ((low >>> 12) & (TAGS - 1));
    if (this.writes[at] !== ((high << 10) | (low >>> 22)) || !isInRange(high)) return MISS;
    return (this.offsets[at]! + ((low >>> 2) & 1022)) | 0;
  }

  /**
   * Finds the bank of a register value, or replaces the least recently selected one.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns the bank's index
   */
  select(high: number, low: number): number {
    // Guards alternate between two values.
    if (this.valuesLow[0] === low && this.valuesHigh[0] === high) return this.banks[0]!;
    if (this.valuesLow[1] === low && this.valuesHigh[1] === high) return this.banks[1]!;
    return this.selectAnother(high, low);
  }

  private selectAnother(high: number, low: number): number {
    const { banks, valuesHigh, valuesLow } = this;
    let place = 2;
    while (place < BANKS && !(valuesLow[place] === low && valuesHigh[place] === high)) place++;
    if (place === BANKS) {
      place--;
      this.reads.fill(NO_TAG, banks[place], banks[place]! + TAGS);
      this.writes.fill(NO_TAG, banks[place], banks[place]! + TAGS);
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

  /**
   * Allows further accesses to a page without the TLB. Evicts the tags of the slot's previous page. A page whose address bits 63 to 52
   * differ (with more than 52 address bits) gets no tag.
   * @param bank - index of the bank
   * @param high - bits 63 to 32 of an address in the page
   * @param low - bits 31 to 0
   * @param write - true for writes, false for reads
   * @param offset - offset of the page's content, in words of physical memory
   */
  allow(bank: number, high: number, low: number, write: boolean, offset: number): void {
    if (!isInRange(high)) return;
    const slot = slotOf(low);
    const tag = tagOf(high, low);
    if (this.owners[slot] !== tag) {
      this.clearSlot(slot);
      this.owners[slot] = tag;
    }
    (write ? this.writes : this.reads)[bank + slot] = tag;
    this.offsets[bank + slot] = offset;
    this.occupied[slot]! |= 1 << (bank / TAGS);
    this.anyOccupied = true;
  }

  /** Removes all tags of a slot. @param slot - address bits 21 to 12 */
  clearSlot(slot: number): void {
    for (let banks = this.occupied[slot]!; banks !== 0; banks &= banks - 1) {
      const index = (31 - Math.clz32(banks & -banks)) * TAGS + slot;
      this.reads[index] = NO_TAG;
      this.writes[index] = NO_TAG;
    }
    this.occupied[slot] = 0;
  }

  /** Removes all tags. */
  clear(): void {
    if (!this.anyOccupied) return;
    this.reads.fill(NO_TAG);
    this.writes.fill(NO_TAG);
    this.occupied.fill(0);
    this.anyOccupied = false;
  }
}
