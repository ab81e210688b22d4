import type { FaultReport, WalkStep } from "./cpu.js";
import type { ContextName } from "./kpkeys.js";
import type { TableSource } from "./kernel/page-tables.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The moments of a machine, each a method that a tool may implement. `cpu` is the number of a CPU, 0 being the boot CPU; `high` and
 * `low` are bits 63 to 32 and 31 to 0 of an address or a register. A method must not change the machine.
 */
export interface Observer {
  /**
   * The hardware walk read an entry, after a TLB miss.
   * @param cpu - the CPU that walks
   * @param step - the entry, its place and its type; level 0 begins a walk
   */
  walkStep?(cpu: number, step: WalkStep): void;
  /**
   * A translation was put into a TLB. Not reported for a TLB of 0 entries.
   * @param cpu - the CPU with this TLB
   * @param high - of the address accessed
   * @param low - likewise
   */
  tlbFill?(cpu: number, high: number, low: number): void;
  /**
   * Translations were invalidated.
   * @param cpu - the CPU with this TLB
   * @param high - of the first address; 0 where `pages` is -1
   * @param low - likewise
   * @param pages - number of pages from that address on; -1 for an address space, frames or the whole TLB
   */
  tlbFlush?(cpu: number, high: number, low: number, pages: number): void;
  /**
   * The key register was written, or the register for fetches.
   * @param cpu - the CPU with this register
   * @param high - bits 63 to 32 of the value
   * @param low - bits 31 to 0
   * @param ofFetches - whether it is the register for fetches of an architecture with two registers
   */
  registerWrite?(cpu: number, high: number, low: number, ofFetches: boolean): void;
  /**
   * A barrier synchronised the key register, on an architecture that needs one (ISB).
   * @param cpu - where it was executed
   */
  barrier?(cpu: number): void;
  /**
   * An access was made whose outcome depends on a key-register write that is not yet synchronised.
   * @param cpu - where it was made
   * @param high - of the address accessed
   * @param low - likewise
   */
  unsynchronisedAccess?(cpu: number, high: number, low: number): void;
  /**
   * An access faulted.
   * @param cpu - where it was made
   * @param report - of this fault; the CPU's next fault overwrites it
   */
  fault?(cpu: number, report: FaultReport): void;
  /**
   * A kpkeys context was entered or left.
   * @param cpu - where
   * @param context - the one that was entered; `undefined` when the last one entered was left
   */
  context?(cpu: number, context: ContextName | undefined): void;
  /**
   * The task on a CPU entered its outermost lazy MMU section, resumed or paused it, or left it.
   * @param cpu - where
   * @param active - true when the section was entered or resumed
   */
  lazyMmu?(cpu: number, active: boolean): void;
  /**
   * A table page was allocated, those of boot included, or is about to be freed.
   * @param pfn - its page-frame number
   * @param source - where it was allocated
   * @param alive - false when it is freed
   */
  tablePage?(pfn: number, source: TableSource, alive: boolean): void;
  /**
   * A CPU switched tasks. The tid of a CPU's idle task is the CPU's number.
   * @param cpu - where
   * @param previous - tid of the task that ran
   * @param next - tid of the task that runs now
   */
  taskSwitch?(cpu: number, previous: number, next: number): void;
}

/**
 * The observers of one machine. A plugin attaches in `setup`, so that boot is observed; a tool attaches to a booted machine with
 * `machine.get(Observers)`. Observing changes no result of the machine.
 */
export interface Observers {
  /**
   * The receiver of moments for all attached observers; `undefined` without observers. The parts of a machine that report moments read it
   * again for each moment.
   */
  readonly current: Observer | undefined;
  /**
   * Attaches an observer. It receives every moment from the next one on, also when it is attached in a callback. Observers are
   * called in the order in which they were attached; one that was attached twice is called twice. An error that an observer throws
   * reaches the code that caused the moment, and later observers do not receive that moment.
   * @param observer - the observer
   * @returns a function that detaches the observer, also for the moment that is being reported. Calling it again has no effect
   */
  attach(observer: Observer): () => void;
}

/** Token of {@link Observers}. */
export const Observers: Token<Observers> = token("Observers");
