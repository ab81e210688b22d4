import type { Asid, Pfn } from "./numbers.js";
import type { Access, AccessStatus, FaultKind, Privilege } from "./access.js";
import type { Words } from "./pkey-register.js";
import type { SystemRegisters } from "./system-registers.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The report of the last fault, in fields common to all architectures and in the syndrome of the architecture. The next fault overwrites
 * the fields.
 */
export interface FaultReport {
  /** The check that failed. */
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
  /** Bits 63 to 32 of the last entry of the walk. */
  readonly entryHigh: number;
  /** Bits 31 to 0 of the last entry of the walk. */
  readonly entryLow: number;
  /** The key of the leaf; 0 if the walk found none. */
  readonly pkey: number;
  /** The kind of access. */
  readonly access: Access;
  /** The privilege of the access. */
  readonly privilege: Privilege;
  /** Bits 63 to 32 of the key register that decides accesses of this kind: for a fetch the register for fetches, if there is one. */
  readonly pkeyRegisterHigh: number;
  /** Bits 31 to 0 of it. */
  readonly pkeyRegisterLow: number;
}

/** One step of a walk. */
export interface WalkStep {
  /** The level, 0 being the top. */
  readonly level: number;
  /** Page-frame number of the table. */
  readonly table: Pfn;
  /** Index of the entry in the page; in a root smaller than a page it counts from the start of the page, not of the root. */
  readonly index: number;
  /** Bits 63 to 32 of the entry. */
  readonly high: number;
  /** Bits 31 to 0 of the entry. */
  readonly low: number;
  /** The type of the entry at this level. */
  readonly type: "table" | "leaf" | "invalid";
}

/** Counters of a CPU. */
export interface CpuCounters {
  /** Writes of the key register, and of the register for fetches. */
  readonly pkeyRegisterWrites: number;
  /** Context synchronisation events by instruction (ISB). */
  readonly barriers: number;
  /** Table walks for accesses. */
  walks: number;
  /** Accesses that faulted. */
  faults: number;
  /** Accesses between a key-register write and its synchronisation for which the two values give different outcomes. */
  unsynchronised: number;
  /** TLB invalidation instructions: by page, range, ASID, or all. */
  tlbInvalidations: number;
}

/**
 * The translation side of a CPU: its roots, its TLB and the walk.
 *
 * A root is a page-frame number. With split roots (TTBR0_EL1, TTBR1_EL1), user and kernel addresses have separate roots; with a shared
 * root (CR3), both fields are the same register. A user root smaller than a page may start inside its page: TTBR0_EL1.BADDR is then the
 * address of the page plus 8 times {@link userRootIndex}.
 */
export interface Mmu {
  /** Whether translation is on. While it is off, all accesses through the {@link Cpu} fault. */
  enabled: boolean;
  /** Page-frame number of the table that translates kernel addresses: TTBR1_EL1, or CR3. */
  readonly kernelRoot: Pfn;
  /** Page-frame number of the table that translates user addresses: TTBR0_EL1, or CR3. `undefined` while none does. */
  readonly userRoot: Pfn | undefined;
  /** Index, in its page, of the first entry of {@link userRoot}; 0 for a root at the start of its page. */
  readonly userRootIndex: number;
  /** Bits of an address-space identifier (ASID): 8 or 16; 0 without ASIDs. */
  readonly asidBits: number;
  /**
   * Writes the kernel's root. With a shared root this is the user's too.
   * @param pfn - page-frame number of a top-level table
   */
  setKernelRoot(pfn: Pfn): void;
  /**
   * Switches to a user address space. With ASIDs, translations of other address spaces stay in the TLB; CR3 without PCIDs drops all
   * translations that are not global.
   * @param pfn - page-frame number of its top-level table; with split roots `undefined` for none, as Linux sets reserved_pg_dir
   * @param asid - its ASID of {@link asidBits} bits; ignored without ASIDs
   * @param index - index of the table's first entry in its page, a multiple of the number of its entries (Arm ARM, TTBR0_EL1.BADDR: a
   *   table is aligned to its size); 0 if left out
   */
  setUserRoot(pfn: Pfn | undefined, asid: Asid, index?: number): void;
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
   * @param asid - the ASID; without ASIDs it is ignored and all translations that are not global are invalidated
   */
  invalidateAsid(asid: Asid): void;
  /**
   * Invalidates the translations to a run of frames with one operation, for every address and address space: after a change of keys that
   * are kept with the frames.
   * @param pfn - first page-frame number
   * @param pages - number of frames, at least 1
   */
  invalidateFrames(pfn: Pfn, pages: number): void;
  /** Invalidates all translations, global ones too. */
  invalidateAll(): void;
  /**
   * Walks without side effects: no TLB, no access or dirty state, no fault, no counter.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param visit - called for each level from the top; the last call has the leaf or the invalid entry
   * @returns `FaultKind` NONE if a leaf was found, with any rights; otherwise the check that failed
   */
  walk(high: number, low: number, visit?: (step: WalkStep) => void): FaultKind;
  /**
   * Compares each translation in the TLB with the current tables: frame, level, rights, key and whether it is global. A translation that
   * differs is stale: the tables were changed without the required invalidation (Arm ARM, "TLB maintenance"; SDM volume 3, "Invalidation
   * of TLBs and Paging-Structure Caches"). A page that has become dirty since is not stale, and the accessed flag is not compared. A page
   * larger than 4 KiB can have a translation for each 4 KiB. Translations of other user address spaces are compared with the root of
   * their walk. Has no side effects.
   * @param visit - receives the two words of the first address of each stale translation
   * @returns the number of stale translations
   */
  auditTlb(visit: (high: number, low: number) => void): number;
}

/**
 * One CPU: loads, stores, read-modify-writes and fetches through its TLB, the walk and the checks of rights and key. All accesses are 64
 * bits wide and naturally aligned. An access returns {@link OK} or {@link FAULT}; {@link fault} has the report. A fault throws no error;
 * an access throws ERR_OUT_OF_MEMORY if RAM has too many pages with content, and an error of an observer reaches the caller.
 */
export interface Cpu {
  /** 0 for the boot CPU. */
  readonly id: number;
  /** The translation side. */
  readonly mmu: Mmu;
  /** The system registers that decide an access. */
  readonly systemRegisters: SystemRegisters;
  /** The last fault. */
  readonly fault: FaultReport;
  /** Its counters. */
  readonly counters: CpuCounters;
  /** Bits 63 to 32 of the last load's or read-modify-write's result. */
  readonly valueHigh: number;
  /** Bits 31 to 0 of the last load's or read-modify-write's result. */
  readonly valueLow: number;
  /** Bits 63 to 32 of the key register as last written. */
  readonly pkeyRegisterHigh: number;
  /** Bits 31 to 0 of the key register as last written. */
  readonly pkeyRegisterLow: number;
  /** The register that decides fetches, as last written; `undefined` if the key register decides all accesses. */
  readonly fetchRegister: Words | undefined;

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
   * Stores a run of words in one page in kernel mode: `count` values with a difference of `stepLow`, carried into the high word. The bulk
   * form of {@link store64}. The words have one translation, so the run may be checked once.
   * @param high - bits 63 to 32 of the first address
   * @param low - bits 31 to 0, a multiple of 8; the run must not cross a page boundary
   * @param valueHigh - bits 63 to 32 of the first value
   * @param valueLow - bits 31 to 0 of the first value
   * @param stepLow - difference of consecutive values, 0 to 2^31 - 1
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
   * Exchanges a word atomically in kernel mode; {@link Cpu.valueHigh} and {@link Cpu.valueLow} have the old value.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0, a multiple of 8
   * @param valueHigh - bits 63 to 32 of the new value
   * @param valueLow - bits 31 to 0 of the new value
   */
  exchange64(high: number, low: number, valueHigh: number, valueLow: number): AccessStatus;
  /**
   * Makes an access without a data transfer: translation, all checks, access and dirty state, TLB. For user accesses (user pages have no
   * content in the model), fetches and probes.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - the kind of access
   * @param privilege - its privilege
   */
  access(high: number, low: number, access: Access, privilege: Privilege): AccessStatus;
  /**
   * Writes the key register. If {@link PkeyRegister.synchronisation} is `barrier`, the old value decides accesses until
   * {@link synchronise} or an exception entry or return.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  writePkeyRegister(high: number, low: number): void;
  /**
   * Writes the register that decides fetches: IAMR. It takes effect like {@link writePkeyRegister}.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @throws KpkeysError ERR_API_MISUSE if the key register decides all accesses
   */
  writeFetchRegister(high: number, low: number): void;
  /** A context synchronisation event by instruction: ISB. No effect if register writes are immediate. */
  synchronise(): void;
  /** An exception entry or return: synchronises without an instruction. */
  synchroniseByException(): void;
  /**
   * Resets the CPU as after power-off: translation off, TLB empty, key register at its reset value. Roots and other system registers stay,
   * because the kernel restores them before their next use.
   */
  reset(): void;
}

/** Makes the CPUs of a machine; registered by the architecture. */
export interface CpuFactory {
  /**
   * Makes one CPU in its state after reset: translation off, key register at its reset value.
   * @param id - its number, 0 being the boot CPU
   */
  create(id: number): Cpu;
}

/** Token of {@link CpuFactory}. */
export const CpuFactory: Token<CpuFactory> = token("CpuFactory");

/** The CPUs of the machine. */
export interface Cpus {
  /** All CPUs; the boot CPU is the first. */
  readonly all: readonly Cpu[];
  /** The CPU that executes now. */
  current: Cpu;
}

/** Token of {@link Cpus}. */
export const Cpus: Token<Cpus> = token("Cpus");
