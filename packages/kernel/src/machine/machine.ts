import type { Cpus, DependencyContainer, PhysicalMemory, Setter, Token } from "@kpkeys/core/contracts";
import type { ScannedObject, ScannedTable } from "../audit/scanner.js";
import type { MachineSpec } from "./spec.js";
import type { TableWatch } from "../audit/table-watch.js";

/** What a machine did so far. */
export interface MachineCounters {
  /** Page-table entries written. */
  readonly tableWrites: number;
  /** The same by setter. */
  readonly writesBySetter: Readonly<Record<Setter, number>>;
  /** Writes of the key register: contexts, context switches, exceptions, initialisation. */
  readonly registerWrites: number;
  /** Barriers that synchronise such a write: of a context, a context switch or an exception. */
  readonly barriers: number;
  /** Barriers that mainline's setters emit whatever the hardening. */
  readonly setterBarriers: number;
  /** TLB invalidations asked for: a page, a range, an address space or a CPU each counts once. */
  readonly tlbInvalidations: number;
  /** Calls of set_memory_pkey. */
  readonly setMemoryPkeyCalls: number;
  /** Pages that they changed. */
  readonly setMemoryPkeyPages: number;
  /** Calls of the `set_direct_map` family that changed the linear map. */
  readonly directMapCalls: number;
  /** Table pages taken from the buddy allocator. */
  readonly tablesAllocated: number;
  /** Table pages given back. */
  readonly tablesFreed: number;
  /** Context switches. */
  readonly contextSwitches: number;
  /** Faults of user addresses that were handled. */
  readonly userFaults: number;
}

/** A machine that has booted. */
export interface Machine {
  /** What it was made of. */
  readonly spec: MachineSpec;
  /** The container that holds its parts. */
  readonly container: DependencyContainer;
  /** Its CPUs. */
  readonly cpus: Cpus;
  /** Its RAM. */
  readonly memory: PhysicalMemory;
  /** Linux's names of the table levels, the top one first. */
  readonly levelNames: readonly string[];
  /**
   * One of its parts. For setting up work, not for loops.
   * @param token - the contract's token
   * @throws KpkeysError ERR_CONTRACT_MISSING
   */
  get<T>(token: Token<T>): T;
  /** What it did so far. */
  counters(): MachineCounters;
  /** Finds every page-table page, from the live roots of every CPU and every process. */
  scan(): readonly ScannedTable[];
  /** A digest of all page-table pages, word by word and place by place. @returns 16 hexadecimal digits */
  digestTables(): string;
  /** Finds every object that the features say they protect now, with every mapping of its page, from the same roots. */
  scanObjects(): readonly ScannedObject[];
  /**
   * A digest of what the tables translate, wherever they lie: equal for machines that did the same with another allocation of table
   * pages or another linear map.
   */
  digestTranslations(): string;
  /** A scan that is made again and again while the machine works, at the cost of what has changed. Has not looked yet. */
  watch(): TableWatch;
}
