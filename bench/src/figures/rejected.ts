import { figure, step } from "../figure.js";
import type { Figure } from "../figure.js";
import { warm } from "../timing.js";

// Minimal sketches of the TLB-hit store: the chosen design, and designs that were measured and rejected. Each does the work of the figure
// tlb-hit-store without the rest of a CPU: it finds the page's translation, checks the rights of the key and stores two words.

const OPERATIONS = 1_000_000;
const PAGES = 512;
const SLOTS = 1024;
/** Words of memory of a page. */
const PAGE_WORDS = 1024;
/** POR_EL1 with all rights on key 0, and the write bit of a key's field. */
const POR = 0x17;
const WRITE = 4;

type Store = (page: number, word: number, high: number, low: number) => number;

function storing(name: string, operation: string, make: () => Store): Figure {
  const prepare: Figure["prepare"] = () => {
    const store = make();
    function run(): number {
      let x = 1;
      let faults = 0;
      for (let n = OPERATIONS; n > 0; n--) {
        x = step(x);
        faults += store((x >>> 16) & (PAGES - 1), (x >>> 7) & 511, n, x);
      }
      return faults;
    }
    return warm(run, OPERATIONS);
  };
  return figure(name, operation, prepare, { perArch: false, byName: true });
}

/** A separate tag for writes, valid only while the register value allows them: a hit is one compare. */
function twoTagArrays(): Store {
  const words = new Int32Array(PAGES * PAGE_WORDS);
  const banks = new Int32Array(2 * SLOTS).map((_, slot) => slot & (SLOTS - 1));
  const register = { bank: SLOTS };
  return (page, word, high, low) => {
    if (banks[register.bank + (page & (SLOTS - 1))] !== page) return 1;
    const at = page * PAGE_WORDS + word * 2;
    words[at] = low;
    words[at + 1] = high;
    return 0;
  };
}

/** One tag for reads and writes: each hit looks up the rights of the key in the register. */
function oneTagArray(): Store {
  const words = new Int32Array(PAGES * PAGE_WORDS);
  const tags = new Int32Array(SLOTS).map((_, slot) => slot);
  const keyShifts = new Int32Array(SLOTS);
  const register = { low: POR };
  return (page, word, high, low) => {
    const slot = page & (SLOTS - 1);
    if (tags[slot] !== page || ((register.low >>> keyShifts[slot]!) & WRITE) === 0) return 1;
    const at = page * PAGE_WORDS + word * 2;
    words[at] = low;
    words[at + 1] = high;
    return 0;
  };
}

/** A CPU class with its registers as fields. */
class FieldCpu {
  readonly words: Int32Array = new Int32Array(PAGES * PAGE_WORDS);
  readonly tags: Int32Array = new Int32Array(SLOTS).map((_, slot) => slot);
  readonly keyShifts: Int32Array = new Int32Array(SLOTS);
  por = POR;

  /** Stores two words. @returns 1 for a fault */
  store(page: number, word: number, high: number, low: number): number {
    const slot = page & (SLOTS - 1);
    if (this.tags[slot] !== page || ((this.por >>> this.keyShifts[slot]!) & WRITE) === 0) return 1;
    const at = page * PAGE_WORDS + word * 2;
    this.words[at] = low;
    this.words[at + 1] = high;
    return 0;
  }
}

/** Memory of bigints: every store allocates one. */
function bigintEntries(): Store {
  const words = new BigUint64Array(PAGES * (PAGE_WORDS / 2));
  const tags = new Int32Array(SLOTS).map((_, slot) => slot);
  return (page, word, high, low) => {
    if (tags[page & (SLOTS - 1)] !== page) return 1;
    words[page * (PAGE_WORDS / 2) + word] = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    return 0;
  };
}

/** A TLB of objects in a Map. */
function mapTlb(): Store {
  const words = new Int32Array(PAGES * PAGE_WORDS);
  const tlb = new Map(Array.from({ length: PAGES }, (_, page) => [page, { page, keyShift: 0 }]));
  const register = { low: POR };
  return (page, word, high, low) => {
    const entry = tlb.get(page);
    if (entry === undefined || ((register.low >>> entry.keyShift) & WRITE) === 0) return 1;
    const at = entry.page * PAGE_WORDS + word * 2;
    words[at] = low;
    words[at + 1] = high;
    return 0;
  };
}

/** The sketches, the chosen design first. */
export const REJECTED_FIGURES: readonly Figure[] = [
  storing("sketch-two-tag-arrays", "a store with a TLB tag for writes under the current register value", twoTagArrays),
  storing("rejected-one-tag-array", "a store with one TLB tag array and a check of the register", oneTagArray),
  storing("rejected-class-registers", "a store by a class with registers as fields", () => {
    const cpu = new FieldCpu();
    return (page, word, high, low) => cpu.store(page, word, high, low);
  }),
  storing("rejected-bigint-entries", "a store into memory of bigints", bigintEntries),
  storing("rejected-map-tlb", "a store by a Map of TLB entries", mapTlb),
];
