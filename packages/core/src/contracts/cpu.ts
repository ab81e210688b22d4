import type { Asid, Pfn } from "./numbers.js";
import type { Access, AccessStatus, FaultKind, Privilege } from "./access.js";
import type { SystemRegisters } from "./system-registers.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The report of the last fault, in words that every architecture has and in the architecture's own syndrome. Fields are
 * overwritten by the next fault: copy what must last.
 */
export interface FaultReport {
  /** Which check failed. */
  readonly kind: FaultKind;
  /** Bits 63 to 32 of the address accessed: FAR_EL1, CR2. */
  readonly addressHigh: number;
  /** Bits 31 to 0 of the address accessed. */
  readonly addressLow: number;
  /** Bits 63 to 32 of the syndrome: ESR_EL1; 0 for a #PF error code. */
  readonly syndromeHigh: number;
  /** Bits 31 to 0 of the syndrome: ESR_EL1; the #PF error code. */
  readonly syndromeLow: number;
  /** The level at which the walk ended, 0 being the top. */
  readonly level: number;
  /** Bits 63 to 32 of the entry that the walk ended with. */
  readonly entryHigh: number;
  /** Bits 31 to 0 of the entry that the walk ended with. */
  readonly entryLow: number;
  /** The key of the leaf, or 0 when the walk found none. */
  readonly pkey: number;
  /** What was attempted. */
  readonly access: Access;
  /** On whose behalf. */
  readonly privilege: Privilege;
  /** The key register's bits 63 to 32 that decided. */
  readonly pkeyRegisterHigh: number;
  /** The key register's bits 31 to 0 that decided. */
  readonly pkeyRegisterLow: number;
}

/** One step of a walk, as tools see it. */
export interface WalkStep {
  /** The level, 0 being the top. */
  readonly level: number;
  /** Page-frame number of the table page read. */
  readonly table: Pfn;
  /** Index of the entry in it. */
  readonly index: number;
  /** Bits 63 to 32 of the entry. */
  readonly high: number;
  /** Bits 31 to 0 of the entry. */
  readonly low: number;
  /** What the entry is at this level. */
  readonly type: "table" | "leaf" | "invalid";
}

/** Counts that a CPU keeps at all times. */
export interface CpuCounters {
  /** Writes of the key register. */
  readonly pkeyRegisterWrites: number;
  /** Context synchronisation events asked for by software (ISB). */
  readonly barriers: number;
  /** Table walks made for an access. */
  walks: number;
  /** Accesses that faulted. */
  faults: number;
  /** Accesses made between a key-register write and its synchronisation whose outcome the two values disagree on. */
  unsynchronised: number;
  /** TLB invalidation instructions: by page, by range, of all. */
  tlbInvalidations: number;
}

/**
 * The translation side of a CPU: its roots, its TLB and the walk.
 *
 * A root is a page-frame number. With split roots (TTBR0_EL1, TTBR1_EL1) the user's and the kernel's differ; with a shared
 * root (CR3) both names mean the one register.
 */
export interface Mmu {
  /** Whether translation is on. While it is off, no access through the {@link Cpu} is possible. */
  enabled: boolean;
  /** Page-frame number of the table that translates kernel addresses: TTBR1_EL1, or CR3. */
  readonly kernelRoot: Pfn;
  /** Page-frame number of the table that translates user addresses: TTBR0_EL1, or CR3. `undefined` while none does. */
  readonly userRoot: Pfn | undefined;
  /** Bits of an address-space identifier (ASID): 8 or 16; 0 where user address spaces are not told apart. */
  readonly asidBits: number;
  /**
   * Writes the kernel's root. With a shared root this is the user's too.
   * @param pfn - page-frame number of a top-level table
   */
  setKernelRoot(pfn: Pfn): void;
  /**
   * Switches to a user address space. Entries of other address spaces stay in the TLB only as far as the architecture tells
   * them apart (ASID); CR3 without PCIDs drops all entries that are not global.
   * @param pfn - page-frame number of its top-level table; with split roots `undefined` for none, as Linux sets reserved_pg_dir
   * @param asid - its address-space identifier, of {@link asidBits} bits; ignored without ASIDs
   */
  setUserRoot(pfn: Pfn | undefined, asid: Asid): void;
  /**
   * Invalidates the translations of one page, of every leaf size and address space.
   * @param high - bits 63 to 32 of an address in the page
   * @param low - bits 31 to 0
   */
  invalidatePage(high: number, low: number): void;
  /**
   * Invalidates the translations of a run of pages with one operation.
   * @param high - bits 63 to 32 of an address in the first page
   * @param low - bits 31 to 0
   * @param pages - number of pages
   */
  invalidateRange(high: number, low: number, pages: number): void;
  /**
   * Invalidates the translations of one address space, as `flush_tlb_mm` does.
   * @param asid - the address space; ignored without ASIDs, where all entries that are not global go
   */
  invalidateAsid(asid: Asid): void;
  /** Invalidates all translations, global ones too. */
  invalidateAll(): void;
  /**
   * Walks without side effects: no TLB, no access or dirty state, no fault, no counter.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param visit - called for each level from the top; the last call has the leaf or the invalid entry. Left out: nothing is told
   * @returns `FaultKind` NONE when a leaf was found, whatever its rights; else why there is none
   */
  walk(high: number, low: number, visit?: (step: WalkStep) => void): FaultKind;
  /**
   * Compares each translation in the TLB with what {@link walk} finds for its page now: frame, level, rights, key and whether
   * it is global. One that differs is stale: the tables were changed and the invalidation that has to follow was forgotten
   * (Arm ARM, "TLB maintenance"; SDM volume 3, "Invalidation of TLBs and Paging-Structure Caches"). That a page has become dirty since makes none stale, and
   * the accessed flag is not compared. A page larger than 4 KiB may have a translation for each 4 KiB of it. Other user address
   * spaces' are held against the roots that they were made from.
   * Changes nothing.
   * @param visit - told of the page of each stale translation: the two words of its first address
   * @returns how many translations are stale
   */
  auditTlb(visit: (high: number, low: number) => void): number;
}

/**
 * One CPU: loads, stores, read-modify-writes and fetches that go through its TLB, the walk, the rights and the key. All
 * accesses are 64 bits wide, naturally aligned. An access returns {@link OK} or {@link FAULT} and leaves the report in
 * {@link fault}; nothing here throws.
 */
export interface Cpu {
  /** 0 for the boot CPU. */
  readonly id: number;
  /** The translation side. */
  readonly mmu: Mmu;
  /** What else decides an access. */
  readonly systemRegisters: SystemRegisters;
  /** The last fault. */
  readonly fault: FaultReport;
  /** What this CPU did so far. */
  readonly counters: CpuCounters;
  /** Bits 63 to 32 of the last load's or read-modify-write's result. */
  readonly valueHigh: number;
  /** Bits 31 to 0 of the last load's or read-modify-write's result. */
  readonly valueLow: number;
  /** Bits 63 to 32 of the key register as last written. */
  readonly pkeyRegisterHigh: number;
  /** Bits 31 to 0 of the key register as last written. */
  readonly pkeyRegisterLow: number;

  /**
   * Loads a word in kernel mode into {@link valueHigh} and {@link valueLow}.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0, a multiple of 8
   */
  load64(high: number, low: number): AccessStatus;
  /**
   * Stores a word in kernel mode.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0, a multiple of 8
   * @param valueHigh - bits 63 to 32 of the value
   * @param valueLow - bits 31 to 0 of the value
   */
  store64(high: number, low: number, valueHigh: number, valueLow: number): AccessStatus;
  /**
   * Stores a run of words in kernel mode, all in one page: `count` values, each `stepLow` (carried into the high word) more
   * than the one before. The bulk form of {@link store64}, with one check because one page has one translation.
   * @param high - bits 63 to 32 of the first address
   * @param low - bits 31 to 0, a multiple of 8; the run must not cross a page boundary
   * @param valueHigh - bits 63 to 32 of the first value
   * @param valueLow - bits 31 to 0 of the first value
   * @param stepLow - what is added from each value to the next, 0 to 2^31 - 1
   * @param count - number of words, at least 1
   */
  storeRun(
    high: number,
    low: number,
    valueHigh: number,
    valueLow: number,
    stepLow: number,
    count: number,
  ): AccessStatus;
  /**
   * Exchanges a word atomically in kernel mode; the old value is left in {@link Cpu.valueHigh} and {@link Cpu.valueLow}.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0, a multiple of 8
   * @param valueHigh - bits 63 to 32 of the new value
   * @param valueLow - bits 31 to 0 of the new value
   */
  exchange64(high: number, low: number, valueHigh: number, valueLow: number): AccessStatus;
  /**
   * Makes an access without moving content: the translation, all checks, access and dirty state, the TLB. For user accesses
   * (user pages have no content here), for fetches and for probing.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - what is done
   * @param privilege - on whose behalf
   */
  access(high: number, low: number, access: Access, privilege: Privilege): AccessStatus;
  /**
   * Writes the key register. Where {@link PkeyRegister.synchronisation} is `barrier` the old value rules until
   * {@link synchronise} or an exception return.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  writePkeyRegister(high: number, low: number): void;
  /** A context synchronisation event by instruction: ISB. Nothing where register writes are immediate. */
  synchronise(): void;
  /** An exception entry or return: synchronises without an instruction. */
  synchroniseByException(): void;
  /**
   * Loses what a CPU without power loses: translation is off, the TLB empty, the key register as the architecture resets it. Roots
   * and other system registers stay, as the kernel restores them before anything can tell.
   */
  reset(): void;
}

/** Makes the CPUs of a machine; registered by the architecture. */
export interface CpuFactory {
  /**
   * Makes one CPU in its state after reset: translation off, key register as the architecture resets it.
   * @param id - its number, 0 being the boot CPU
   */
  create(id: number): Cpu;
}

/** Token of {@link CpuFactory}. */
export const CpuFactory: Token<CpuFactory> = token("CpuFactory");

/** The CPUs of the machine and the one that executes now. */
export interface Cpus {
  /** All CPUs; the boot CPU is the first. */
  readonly all: readonly Cpu[];
  /** The CPU on which the code of this moment runs. */
  current: Cpu;
}

/** Token of {@link Cpus}. */
export const Cpus: Token<Cpus> = token("Cpus");
