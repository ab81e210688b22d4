import { Access, FAULT, FaultKind, OK, Privilege } from "../contracts/index.js";
import type {
  AccessStatus,
  Cpu,
  CpuCounters,
  FaultReport,
  Mmu,
  Observers,
  PhysicalMemory,
  SystemRegisters,
  Words,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { ObserverList } from "../observers.js";
import { EMPTY_BANK, FastTags } from "./fast-tags.js";
import { KeyRegister, NO_BANKS } from "./key-register.js";
import { CpuMmu } from "./mmu.js";
import { storageOf } from "./physical-memory.js";
import type { SparseMemory } from "./physical-memory.js";
import type { TranslationRegime } from "./regime.js";
import { Tlb } from "./tlb.js";
import { DEFAULT_TLB } from "./tlb-geometry.js";
import type { TlbGeometry } from "./tlb-geometry.js";
import { Translation } from "./translation.js";
import { Walker } from "./walker.js";

// Local copies: docs/performance.md, "Imported bindings".
const { READ, WRITE, RMW } = Access;
const { KERNEL } = Privilege;
const { ADDRESS_SIZE } = FaultKind;
const DONE: typeof OK = OK;
const FAULTED: typeof FAULT = FAULT;
/** The page has no content and the access needs none. */
const NO_CONTENT = -1;

/** The parts of a CPU. */
export interface CpuParts {
  /** Its number, 0 being the boot CPU. */
  readonly id: number;
  /** The architecture's rules. */
  readonly regime: TranslationRegime;
  /** The machine's RAM. */
  readonly memory: PhysicalMemory;
  /** This CPU's system registers, which the regime's rules read. */
  readonly systemRegisters: SystemRegisters;
  /** Notified of register writes, walks, TLB changes and faults; no observers if left out. */
  readonly observers?: Observers;
  /** Size and policy of its TLB; 1,024 sets of one way if left out. */
  readonly tlb?: TlbGeometry | undefined;
}

/**
 * Makes a CPU.
 * @param parts - its parts
 * @returns a CPU with translation off and an empty TLB
 */
export function createCpu(parts: CpuParts): Cpu {
  return new ModelCpu(parts);
}

/**
 * One CPU. A kernel-mode access takes the fast path if a tag allows it, otherwise the slow path through TLB, walk and checks.
 *
 * ```text
 *   load64, store64, exchange64 ──> FastTags: hit ──> PhysicalMemory
 *                                       │ miss
 *                                       └──> Translation: TLB or walk, rights, key ──> PhysicalMemory, FastTags
 * ```
 */
class ModelCpu implements Cpu {
  readonly id: number;
  readonly mmu: Mmu;
  readonly systemRegisters: SystemRegisters;
  readonly counters: { pkeyRegisterWrites: number; barriers: number } & CpuCounters = {
    pkeyRegisterWrites: 0,
    barriers: 0,
    walks: 0,
    faults: 0,
    unsynchronised: 0,
    tlbInvalidations: 0,
  };
  readonly fault: FaultReport;
  valueHigh = 0;
  valueLow = 0;

  private readonly memory: SparseMemory;
  private readonly words: Int32Array;
  private readonly fast: FastTags = new FastTags();
  private readonly tlb: Tlb;
  private readonly keys: KeyRegister;
  /** The register that decides fetches: the same object if there is one register. */
  private readonly fetchKeys: KeyRegister;
  private readonly translation: Translation;
  /** Mask of the word offset of a 4 KiB part in a larger page: a fast tag covers 4 KiB. */
  private readonly partMask: number;
  private readonly entriesInPage: number;

  constructor({ id, regime, memory, systemRegisters, observers = new ObserverList(), tlb = DEFAULT_TLB }: CpuParts) {
    const { fast, counters } = this;
    this.id = id;
    this.memory = storageOf(memory);
    this.words = this.memory.words;
    this.partMask = 2 ** (memory.pageShift - 2) - 1024;
    this.entriesInPage = 2 ** (memory.pageShift - 3);
    this.tlb = new Tlb(regime, fast, tlb);
    const parts = { id, regime, walker: new Walker(regime, this.memory), tlb: this.tlb, fast, counters, observers };
    const mmu = new CpuMmu(parts);
    this.mmu = mmu;
    const { pkeyRegisterNeedsBarrier: waits, pkeyRegisterReset, fetchRegisterReset } = regime;
    this.keys = new KeyRegister(id, pkeyRegisterReset, waits, fast, counters, observers);
    this.fetchKeys =
      fetchRegisterReset === undefined
        ? this.keys
        : new KeyRegister(id, fetchRegisterReset, waits, NO_BANKS, counters, observers);
    this.translation = new Translation(parts, mmu, this.keys, this.fetchKeys);
    this.fault = this.translation.fault;
    this.systemRegisters = {
      names: systemRegisters.names,
      read: (name) => systemRegisters.read(name),
      write(name, value) {
        systemRegisters.write(name, value);
        fast.clear();
      },
    };
  }

  get pkeyRegisterHigh(): number {
    return this.keys.writtenHigh;
  }

  get pkeyRegisterLow(): number {
    return this.keys.writtenLow;
  }

  get fetchRegister(): Words | undefined {
    const { fetchKeys } = this;
    return fetchKeys === this.keys ? undefined : { high: fetchKeys.writtenHigh, low: fetchKeys.writtenLow };
  }

  load64(high: number, low: number): AccessStatus {
    const at = this.fast.readable(this.keys.bank, high, low);
    if (at < 0) return this.accessSlowly(READ, high | 0, low | 0, 0, 0);
    this.valueLow = this.words[at]!;
    this.valueHigh = this.words[at + 1]!;
    return DONE;
  }

  store64(high: number, low: number, valueHigh: number, valueLow: number): AccessStatus {
    const at = this.fast.writable(this.keys.bank, high, low);
    if (at < 0) return this.accessSlowly(WRITE, high | 0, low | 0, valueHigh | 0, valueLow | 0);
    this.words[at] = valueLow;
    this.words[at + 1] = valueHigh;
    return DONE;
  }

  exchange64(high: number, low: number, valueHigh: number, valueLow: number): AccessStatus {
    const { bank } = this.keys;
    const at = this.fast.writable(bank, high, low);
    if (at < 0 || this.fast.readable(bank, high, low) < 0) {
      return this.accessSlowly(RMW, high | 0, low | 0, valueHigh | 0, valueLow | 0);
    }
    this.valueLow = this.words[at]!;
    this.valueHigh = this.words[at + 1]!;
    this.words[at] = valueLow;
    this.words[at + 1] = valueHigh;
    return DONE;
  }

  storeRun(
    high: number,
    low: number,
    valueHigh: number,
    valueLow: number,
    stepLow: number,
    count: number,
  ): AccessStatus {
    // One check is enough for a whole page, unless each access must be checked and counted.
    const isOneAccess = count === this.entriesInPage && this.keys.bank !== EMPTY_BANK && this.tlb.entries !== 0;
    if (isOneAccess) return this.storePage(high | 0, low | 0, valueHigh, valueLow, stepLow);
    let nextHigh = valueHigh | 0;
    let nextLow = valueLow | 0;
    for (let word = 0; word < count; word++) {
      if (this.store64(high, low + word * 8, nextHigh, nextLow) !== DONE) return FAULTED;
      nextLow = (nextLow + stepLow) | 0;
      if (nextLow >>> 0 < stepLow) nextHigh = (nextHigh + 1) | 0;
    }
    return DONE;
  }

  access(high: number, low: number, access: Access, privilege: Privilege): AccessStatus {
    return this.translation.translate(high | 0, low | 0, access, privilege) === FAULTED ? FAULTED : DONE;
  }

  writePkeyRegister(high: number, low: number): void {
    this.keys.write(high, low);
  }

  writeFetchRegister(high: number, low: number): void {
    if (this.fetchKeys === this.keys) throw noFetchRegister(this.id);
    this.fetchKeys.write(high, low);
  }

  synchronise(): void {
    this.keys.synchronise();
    if (this.fetchKeys !== this.keys) this.fetchKeys.settle();
  }

  synchroniseByException(): void {
    this.keys.settle();
    if (this.fetchKeys !== this.keys) this.fetchKeys.settle();
  }

  reset(): void {
    this.mmu.enabled = false;
    this.tlb.dropAll();
    this.keys.reset();
    this.fetchKeys.reset();
  }

  private storePage(high: number, low: number, valueHigh: number, valueLow: number, stepLow: number): AccessStatus {
    const entry = this.translation.translate(high, low, WRITE, KERNEL);
    if (entry === FAULTED) return FAULTED;
    const pfn = this.tlb.pfns[entry]!;
    if (!this.memory.contains(pfn)) return this.translation.raiseFromTlb(ADDRESS_SIZE, entry, high, low, WRITE, KERNEL);
    this.memory.writeRun(pfn, valueHigh, valueLow, stepLow);
    return DONE;
  }

  /** A kernel-mode access through TLB, walk and checks. Gives the page a fast tag if its translation is global. */
  private accessSlowly(access: Access, high: number, low: number, valueHigh: number, valueLow: number): AccessStatus {
    const { tlb, words } = this;
    const entry = this.translation.translate(high, low, access, KERNEL);
    if (entry === FAULTED) return FAULTED;
    const pfn = tlb.pfns[entry]!;
    const index = (low >>> 3) & (this.entriesInPage - 1);
    const content = this.contentFor(pfn, index, access, valueHigh, valueLow);
    if (content === NO_CONTENT) {
      if (!this.memory.contains(pfn))
        return this.translation.raiseFromTlb(ADDRESS_SIZE, entry, high, low, access, KERNEL);
      if ((access & READ) !== 0) this.setValue(0, 0);
      return DONE;
    }
    this.allowFast(entry, access, high, low, content + ((low >>> 2) & this.partMask));
    const at = content + 2 * index;
    if ((access & READ) !== 0) this.setValue(words[at + 1]!, words[at]!);
    if ((access & WRITE) !== 0) {
      words[at] = valueLow;
      words[at + 1] = valueHigh;
    }
    return DONE;
  }

  private setValue(high: number, low: number): void {
    this.valueHigh = high;
    this.valueLow = low;
  }

  private allowFast(entry: number, access: Access, high: number, low: number, offset: number): void {
    const { bank } = this.keys;
    if (bank === EMPTY_BANK || !this.tlb.isGlobal(entry)) return;
    if ((access & READ) !== 0) this.fast.allow(bank, high, low, false, offset);
    if ((access & WRITE) !== 0) this.fast.allow(bank, high, low, true, offset);
  }

  /**
   * Offset of a page's content for an access. {@link NO_CONTENT} outside RAM, and if a page without content needs none: for a read of
   * zeroes, or a write of the value that the word already has. Any other access to a page without content allocates it.
   */
  private contentFor(pfn: number, index: number, access: Access, valueHigh: number, valueLow: number): number {
    const { memory } = this;
    const offset = memory.contentOffset(pfn);
    if (offset !== -1 || !memory.contains(pfn)) return offset;
    const { high, low } = memory.read(pfn, index);
    const isChange = (access & WRITE) !== 0 && (high !== valueHigh || low !== valueLow);
    const readsRun = (access & READ) !== 0 && memory.isRun(pfn);
    return isChange || readsRun ? memory.materialise(pfn) : NO_CONTENT;
  }
}

function noFetchRegister(cpu: number): KpkeysError {
  return new KpkeysError(
    "ERR_API_MISUSE",
    "cannot write a register for fetches: the key register decides all accesses",
    {
      where: `CPU ${cpu}`,
      expected: "a CPU whose fetchRegister has a value",
    },
  );
}
