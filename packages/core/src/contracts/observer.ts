import type { FaultReport, WalkStep } from "./cpu.js";
import type { ContextName } from "./kpkeys.js";
import type { TableSource } from "./kernel/page-tables.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** The moments that a tool can be told of. Every method may be left out; a machine that nobody observes pays nothing. */
export interface Observer {
  /** The walker has read an entry, for an access. */
  walkStep?(step: WalkStep): void;
  /** A translation went into a TLB. */
  tlbFill?(cpu: number, high: number, low: number): void;
  /** Translations were invalidated: a first address and a number of pages, or -1 for all. */
  tlbFlush?(cpu: number, high: number, low: number, pages: number): void;
  /** The key register was written. */
  registerWrite?(cpu: number, high: number, low: number): void;
  /** A barrier was executed. */
  barrier?(cpu: number): void;
  /** An access was made whose outcome depends on a key-register write that is not yet synchronised. */
  unsynchronisedAccess?(cpu: number, high: number, low: number): void;
  /** An access faulted. */
  fault?(cpu: number, report: FaultReport): void;
  /** A context was entered; `undefined` when the one entered last was left for the one before. */
  context?(cpu: number, context: ContextName | undefined): void;
  /** The task on a CPU entered its outermost lazy MMU section or went on in it after a pause; or it left it, or paused it. */
  lazyMmu?(cpu: number, active: boolean): void;
  /** A table page was allocated, those of boot included, or freed. */
  tablePage?(pfn: number, source: TableSource, alive: boolean): void;
  /** A CPU switched tasks, both by tid; the tid of a CPU's idle task is the CPU's number. */
  taskSwitch?(cpu: number, previous: number, next: number): void;
}

/** Token of {@link Observer}. */
export const Observer: Token<Observer> = token("Observer");
