import type { Cpus, DependencyContainer, PhysicalMemory, Setter, Token } from "@kpkeys/core/contracts";
import type { ScannedObject, ScannedTable } from "../audit/scanner.js";
import type { MachineSpec } from "./spec.js";
import type { TableWatch } from "../audit/table-watch.js";

/** Counters of a machine since its creation. */
export interface MachineCounters {
  /** Page-table entries written. */
  readonly tableWrites: number;
  /** Page-table entries written, by setter. */
  readonly writesBySetter: Readonly<Record<Setter, number>>;
  /** Writes of the key register by contexts, context switches, exceptions and initialisation. */
  readonly registerWrites: number;
  /** Barriers that synchronise a key-register write of a context, a context switch or an exception. */
  readonly barriers: number;
  /** Barriers of mainline's setters, with and without hardening. */
  readonly setterBarriers: number;
  /** TLB invalidations. A page, a range, an address space or a CPU counts as one. Those of the keys of frames do not count. */
  readonly tlbInvalidations: number;
  /** Calls of set_memory_pkey. */
  readonly setMemoryPkeyCalls: number;
  /** Pages changed by set_memory_pkey. */
  readonly setMemoryPkeyPages: number;
  /** Calls of the `set_direct_map` family that changed the linear map. */
  readonly directMapCalls: number;
  /** Table pages allocated after early boot. */
  readonly tablesAllocated: number;
  /** Table pages freed. */
  readonly tablesFreed: number;
  /** Context switches. */
  readonly contextSwitches: number;
  /** Handled faults of user addresses. */
  readonly userFaults: number;
}

/** A booted machine. */
export interface Machine {
  /** Its specification. */
  readonly spec: MachineSpec;
  /** The container of its services. */
  readonly container: DependencyContainer;
  /** Its CPUs. */
  readonly cpus: Cpus;
  /** Its RAM. */
  readonly memory: PhysicalMemory;
  /** Linux's names of the table levels, top level first. */
  readonly levelNames: readonly string[];
  /**
   * A service of the machine. Resolve it once, outside of loops.
   * @param token - the token of its contract
   * @throws KpkeysError ERR_CONTRACT_MISSING if no service implements the contract
   */
  get<T>(token: Token<T>): T;
  /** A snapshot of the counters. */
  counters(): MachineCounters;
  /** Finds all page-table pages and their mappings, from the live roots of all CPUs and processes. */
  scan(): readonly ScannedTable[];
  /** A digest of the contents and addresses of all page-table pages. @returns 16 hexadecimal digits */
  digestTables(): string;
  /** Finds the objects that features protect now, and all mappings of their pages, from the live roots. */
  scanObjects(): readonly ScannedObject[];
  /**
   * A digest of the translations, independent of the addresses of the tables. Two machines that ran the same operations have equal
   * digests, even if their table allocators or linear maps differ.
   * @returns 16 hexadecimal digits
   */
  digestTranslations(): string;
  /** Makes an incremental scan, for repeated use while the machine runs. The first `look()` is a full scan. */
  watch(): TableWatch;
}
