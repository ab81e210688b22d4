import { Access, FAULT, FaultKind, OK, Privilege } from "../contracts/index.js";
import type { Cpu, Observer, PhysicalMemory, SystemRegisters } from "../contracts/index.js";
import { createFastTags } from "./fast-tags.js";
import { createMmu } from "./mmu.js";
import type { TranslationRegime } from "./regime.js";
import { createTlb } from "./tlb.js";
import { DEFAULT_TLB } from "./tlb-geometry.js";
import type { TlbGeometry } from "./tlb-geometry.js";
import { createFaultReport, createTranslation } from "./translation.js";
import type { KeyRegister } from "./translation.js";
import { createWalker } from "./walker.js";

// What is imported is loaded each time; what stands here is folded.
const { READ, WRITE, RMW } = Access;
const { KERNEL } = Privilege;
const { ADDRESS_SIZE } = FaultKind;
const DONE: number = OK;
const FAULTED: number = FAULT;
const LOW = 0;
const HIGH = 1;

/** What a CPU is made of. */
export interface CpuParts {
  /** Its number, 0 being the boot CPU. */
  readonly id: number;
  /** The architecture's rules. */
  readonly regime: TranslationRegime;
  /** The machine's RAM. */
  readonly memory: PhysicalMemory;
  /** The registers that the regime's rules read: this CPU's own. */
  readonly systemRegisters: SystemRegisters;
  /** Told of what happens; a CPU that nobody observes pays nothing. */
  readonly observer?: Observer | undefined;
  /** Size and policy of its TLB; 1,024 sets of one way if left out. */
  readonly tlb?: TlbGeometry | undefined;
}

/** A CPU with what its own functions change. */
type CpuState = { -readonly [F in keyof Cpu]: Cpu[F] } & KeyRegister & {
    /** The bank of fast tags of the key register's value; the empty one while a write waits for its synchronisation. */
    bank: number;
  };

/**
 * Makes a CPU. Its hot functions are closures over constants, which the compiler folds for the first CPU of a process: further
 * ones are slower.
 *
 * @param parts - what it is made of
 * @returns a CPU with translation off and an empty TLB
 */
export function createCpu({ id, regime, memory, systemRegisters, observer, tlb: geometry }: CpuParts): Cpu {
  const counters = {
    pkeyRegisterWrites: 0,
    barriers: 0,
    walks: 0,
    faults: 0,
    unsynchronised: 0,
    tlbInvalidations: 0,
  };
  // What is undefined is never folded.
  const isObserved = observer !== undefined;
  const fast = createFastTags();
  const tlb = createTlb(regime, fast, geometry ?? DEFAULT_TLB);
  const walker = createWalker(regime, memory);
  const mmu = createMmu({ id, regime, walker, tlb, fast, counters, observer });
  const { reads, writes, offsets, emptyBank } = fast;
  const { words } = memory;
  // Tags are of 4 KiB pieces of pages: which piece of its page an address lies in, as an offset of words.
  const pieceMask = 2 ** (memory.pageShift - 2) - 1024;
  const entriesInPage = 2 ** (memory.pageShift - 3);
  const needsBarrier = regime.pkeyRegisterNeedsBarrier;
  const { high: resetHigh, low: resetLow } = regime.pkeyRegisterReset;

  /** The words that the last load gave. */
  const value = new Int32Array(64);

  // Plain fields only: an object literal with accessors is slow to use.
  const fields: Omit<CpuState, "valueHigh" | "valueLow"> = {
    id,
    mmu,
    counters,
    fault: createFaultReport(),
    systemRegisters: {
      names: systemRegisters.names,
      read: (name) => systemRegisters.read(name),
      write(name, value) {
        systemRegisters.write(name, value);
        fast.clear();
      },
    },
    pkeyRegisterHigh: resetHigh,
    pkeyRegisterLow: resetLow,
    rulingHigh: resetHigh,
    rulingLow: resetLow,
    bank: fast.select(resetHigh, resetLow),
    load64,
    store64,
    storeRun,
    exchange64,
    access: (high, low, access, privilege) =>
      translation.translate(high, low, access, privilege) === FAULTED ? FAULTED : DONE,
    writePkeyRegister,
    synchronise,
    synchroniseByException: settle,
    reset() {
      mmu.enabled = false;
      tlb.dropAll();
      cpu.pkeyRegisterHigh = resetHigh;
      cpu.pkeyRegisterLow = resetLow;
      settle();
    },
  };
  // Added when the rest is there: V8 keeps an object with an accessor in its literal as a hash table.
  const cpu = Object.defineProperties(fields, {
    valueHigh: { enumerable: true, get: () => value[HIGH] },
    valueLow: { enumerable: true, get: () => value[LOW] },
  }) as CpuState;
  const translation = createTranslation({ id, regime, walker, tlb, fast, counters, observer, mmu, cpu });

  // A tag does not tell whether address bits 63 to 52 are alike: they are where high + 2^20, as an unsigned word, is below 2^21.

  function load64(high: number, low: number): number {
    const tagAt = cpu.bank + ((low >>> 12) & 1023);
    if (reads[tagAt] !== ((high << 10) | (low >>> 22)) || (high + 0x100000) >>> 0 >= 0x200000) {
      return accessSlowly(READ, high, low, 0, 0);
    }
    const at = (offsets[tagAt]! + ((low >>> 2) & 1022)) | 0;
    value[LOW] = words[at]!;
    value[HIGH] = words[at + 1]!;
    return DONE;
  }

  function store64(high: number, low: number, valueHigh: number, valueLow: number): number {
    const tagAt = cpu.bank + ((low >>> 12) & 1023);
    if (writes[tagAt] !== ((high << 10) | (low >>> 22)) || (high + 0x100000) >>> 0 >= 0x200000) {
      return accessSlowly(WRITE, high, low, valueHigh, valueLow);
    }
    const at = (offsets[tagAt]! + ((low >>> 2) & 1022)) | 0;
    words[at] = valueLow | 0;
    words[at + 1] = valueHigh | 0;
    return DONE;
  }

  function exchange64(high: number, low: number, valueHigh: number, valueLow: number): number {
    const tagAt = cpu.bank + ((low >>> 12) & 1023);
    const tag = (high << 10) | (low >>> 22);
    if (writes[tagAt] !== tag || reads[tagAt] !== tag || (high + 0x100000) >>> 0 >= 0x200000) {
      return accessSlowly(RMW, high, low, valueHigh, valueLow);
    }
    const at = (offsets[tagAt]! + ((low >>> 2) & 1022)) | 0;
    value[LOW] = words[at]!;
    value[HIGH] = words[at + 1]!;
    words[at] = valueLow | 0;
    words[at + 1] = valueHigh | 0;
    return DONE;
  }

  function storeRun(
    high: number,
    low: number,
    valueHigh: number,
    valueLow: number,
    stepLow: number,
    count: number,
  ): number {
    // Tags are of pieces of 4 KiB: a run over several is stored word by word, unless it is a whole larger page.
    if ((low & 0xfff) + count * 8 > 0x1000) {
      if (count === entriesInPage) return storePage(high, low, valueHigh, valueLow, stepLow);
      return storeEach(high, low, valueHigh, valueLow, stepLow, 0, count);
    }
    if (!mayWrite(high, low)) {
      if (count === entriesInPage) return storePage(high, low, valueHigh, valueLow, stepLow);
      // The first word decides for all, unless each word is a matter of its own.
      if (store64(high, low, valueHigh, valueLow) !== DONE) return FAULTED;
      if (!mayWrite(high, low)) return storeEach(high, low, valueHigh, valueLow, stepLow, 1, count);
    }
    fill((offsets[cpu.bank + ((low >>> 12) & 1023)]! + ((low >>> 2) & 1022)) | 0, valueHigh, valueLow, stepLow, count);
    return DONE;
  }

  /** Writes a run of entries into memory. */
  function fill(start: number, high: number, low: number, step: number, count: number): void {
    if (step === 0 && high === low) {
      words.fill(low, start, start + 2 * count);
      return;
    }
    let nextLow = low >>> 0;
    for (let done = 0, carries = 0; done < count; carries++) {
      const beforeCarry = step === 0 ? count : Math.ceil((2 ** 32 - nextLow) / step);
      const part = Math.min(count - done, beforeCarry);
      fillWords(start + 2 * done, high + carries, nextLow, step, part);
      nextLow = (nextLow + part * step) >>> 0;
      done += part;
    }
  }

  /** Writes entries of which only the low word changes. */
  function fillWords(start: number, high: number, low: number, step: number, count: number): void {
    const end = start + 2 * count;
    let next = low | 0;
    for (let at = start | 0; at < end; at += 2) {
      words[at] = next;
      words[at + 1] = high;
      next = (next + step) | 0;
    }
  }

  /** Whether a fast tag allows writes to a page. */
  function mayWrite(high: number, low: number): boolean {
    return (
      writes[cpu.bank + ((low >>> 12) & 1023)] === ((high << 10) | (low >>> 22)) && (high + 0x100000) >>> 0 < 0x200000
    );
  }

  /** {@link storeRun} of a whole page: one translation decides, unless each word is a matter of its own. */
  function storePage(high: number, low: number, valueHigh: number, valueLow: number, stepLow: number): number {
    if (cpu.bank === emptyBank || tlb.entries === 0) {
      return storeEach(high, low, valueHigh, valueLow, stepLow, 0, entriesInPage);
    }
    const entry = translation.translate(high, low, WRITE, KERNEL);
    if (entry === FAULTED) return FAULTED;
    const pfn = tlb.pfns[entry]!;
    if (!memory.contains(pfn)) return translation.deny(ADDRESS_SIZE, entry, high, low, WRITE, KERNEL);
    const offset = memory.contentOffset(pfn);
    const isZero = (valueHigh | valueLow | stepLow) === 0;
    if (offset !== -1) {
      if (tlb.isGlobal(entry)) fast.allow(cpu.bank, (low >>> 12) & 1023, (high << 10) | (low >>> 22), true, offset);
      fill(offset, valueHigh, valueLow, stepLow, entriesInPage);
    } else if (!isZero || memory.slots[pfn - memory.firstPfn] !== 0) {
      memory.writeRun(pfn, valueHigh, valueLow, stepLow);
    }
    return DONE;
  }

  /** {@link storeRun} word by word: each access is checked, and counted where accesses are. */
  function storeEach(
    high: number,
    low: number,
    valueHigh: number,
    valueLow: number,
    stepLow: number,
    from: number,
    count: number,
  ): number {
    let nextHigh = valueHigh | 0;
    let nextLow = valueLow | 0;
    for (let word = 0; word < count; word++) {
      if (word >= from && store64(high, low + word * 8, nextHigh, nextLow) !== DONE) return FAULTED;
      nextLow = (nextLow + stepLow) | 0;
      if (nextLow >>> 0 < stepLow) nextHigh = (nextHigh + 1) | 0;
    }
    return DONE;
  }

  /**
   * Makes a kernel-mode access that no fast tag allows, and notes that it needs no asking from now on. One function for all,
   * which is too long to be inlined into the short ones.
   */
  function accessSlowly(access: Access, high: number, low: number, valueHigh: number, valueLow: number): number {
    const entry = translation.translate(high, low, access, KERNEL);
    if (entry === FAULTED) return FAULTED;
    const pfn = tlb.pfns[entry]!;
    const isWrite = (access & WRITE) !== 0;
    const isRead = (access & READ) !== 0;
    let offset = memory.contentOffset(pfn);
    if (offset === -1) {
      if (!memory.contains(pfn)) return translation.deny(ADDRESS_SIZE, entry, high, low, access, KERNEL);
      const isRun = memory.slots[pfn - memory.firstPfn] !== 0;
      const index = (low >>> 3) & (entriesInPage - 1);
      if (!isWrite || (valueHigh === memory.readHigh(pfn, index) && valueLow === memory.readLow(pfn, index))) {
        // The page stays as it is. Zeroes need no content to be read, a run none to be written as it was.
        if (!isRun && isRead) {
          value[LOW] = 0;
          value[HIGH] = 0;
        }
        if (!isRun || !isRead) return DONE;
      }
      offset = memory.materialise(pfn);
    }
    offset += (low >>> 2) & pieceMask;
    if (cpu.bank !== emptyBank && tlb.isGlobal(entry)) {
      const slot = (low >>> 12) & 1023;
      const tag = (high << 10) | (low >>> 22);
      if (isRead) fast.allow(cpu.bank, slot, tag, false, offset);
      if (isWrite) fast.allow(cpu.bank, slot, tag, true, offset);
    }
    const at = offset + ((low >>> 2) & 1022);
    if (isRead) {
      value[LOW] = words[at]!;
      value[HIGH] = words[at + 1]!;
    }
    if (isWrite) {
      words[at] = valueLow;
      words[at + 1] = valueHigh;
    }
    return DONE;
  }

  function writePkeyRegister(high: number, low: number): void {
    counters.pkeyRegisterWrites++;
    cpu.pkeyRegisterHigh = high | 0;
    cpu.pkeyRegisterLow = low | 0;
    if (needsBarrier) cpu.bank = emptyBank;
    else settle();
    if (isObserved) tellWrite(high, low);
  }

  /** Lets the value written last rule. */
  function settle(): void {
    cpu.rulingHigh = cpu.pkeyRegisterHigh;
    cpu.rulingLow = cpu.pkeyRegisterLow;
    cpu.bank = fast.select(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow);
  }

  function synchronise(): void {
    if (!needsBarrier) return;
    counters.barriers++;
    settle();
    if (isObserved) tellBarrier();
  }

  // Functions of their own, which leave the others short enough to be inlined.
  function tellWrite(high: number, low: number): void {
    observer?.registerWrite?.(id, high, low);
  }

  function tellBarrier(): void {
    observer?.barrier?.(id);
  }

  return cpu;
}
