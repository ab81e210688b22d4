import type { Errno } from "./errno.js";
import type { Pfn, PhysAddr, Pkey } from "./numbers.js";
import type { FaultReport } from "./cpu.js";
import type { Guard } from "./kpkeys.js";
import type { CredStore } from "./kernel/creds.js";
import type { InitPhase } from "./kernel/execution.js";
import type { LevelGeometry } from "./page-table-format.js";
import type { Setter } from "./setters.js";
import type { TableAllocator } from "./table-allocator.js";
import { token } from "./token.js";
import type { Token } from "./token.js";
import type { KunitSuite } from "./kunit.js";

/** What a feature can attach itself to, with the form of each handler. */
export interface ExtensionHandlers {
  /**
   * A table page was taken from the buddy allocator and zeroed, and nothing points to it yet. An error refuses it; the
   * page is then given back.
   */
  tablePageAllocated: (pfn: Pfn) => 0 | Errno;
  /** A table page is about to go back to the buddy allocator; nothing points to it any more. */
  tablePageFreeing: (pfn: Pfn) => void;
  /**
   * The constructor of a table page from the buddy allocator runs, after {@link tablePageAllocated} and before anything points
   * to it: `pagetable_pte_ctor()` and its like, by the level that it is for. An error refuses it.
   */
  tablePageCtor: (pfn: Pfn, level: LevelGeometry["name"], source: "kernel" | "user") => 0 | Errno;
  /** The destructor of such a page runs, before {@link tablePageFreeing}: `pagetable_dtor()`. */
  tablePageDtor: (pfn: Pfn, level: LevelGeometry["name"], source: "kernel" | "user") => void;
  /** A table page was taken from memblock (for the linear map or the vmemmap), before keys can be set. */
  earlyTablePage: (pfn: Pfn, source: "early" | "vmemmap") => void;
  /**
   * The current task enters its outermost lazy MMU section. What is returned is kept in the task, in a slot of the feature's
   * own, until the section is left.
   */
  lazyMmuEnter: () => number;
  /**
   * The current task leaves its outermost lazy MMU section.
   * @param slot - what lazyMmuEnter returned
   * @param barrierFollows - whether the section has a barrier pending, which is emitted right after
   */
  lazyMmuLeave: (slot: number, barrierFollows: boolean) => void;
  /**
   * The lock of a table was taken, under which its entries are changed: `pte_offset_map_lock`, `pmd_lock`. Changes of kernel addresses
   * and of tables that nobody else can reach any more go without, as in Linux.
   */
  tableLocked: (pfn: Pfn) => void;
  /** The lock of a table is about to be given back. */
  tableUnlocking: (pfn: Pfn) => void;
  /** A kernel operation begins: a system call that changes mappings, a fault of a user address, vmalloc, vfree. */
  operationEnter: () => void;
  /** It ends. */
  operationExit: () => void;
  /** The current CPU is about to switch from one task to another; both by tid. */
  contextSwitch: (previous: number, next: number) => void;
  /** An exception was taken from kernel mode. */
  exceptionEntry: () => void;
  /** An exception is about to return to kernel mode. */
  exceptionExit: () => void;
  /**
   * An access of the kernel itself faulted: a setter's, or one that may fail. Runs inside the exception; the first handler that
   * returns true has mended the cause, and the access is made again. If none does, the fault is fixed up or an oops.
   */
  kernelFault: (fault: FaultReport) => boolean;
  /** A CPU comes up, the boot CPU included. */
  cpuOnline: (cpu: number) => void;
  /** A CPU comes back from suspend. */
  cpuResume: (cpu: number) => void;
  /** A slab with a key was tagged. */
  slabPageTagged: (pfn: Pfn, pages: number, pkey: Pkey) => void;
  /** The slab allocator is about to write inside a slab with a key; returns what {@link slabInternalWriteDone} takes. */
  slabInternalWrite: (pkey: Pkey) => number;
  /** The slab allocator has written inside a slab with a key. */
  slabInternalWriteDone: (state: number) => void;
  /** RCU is about to write an rcu_head, in whatever object; returns what {@link rcuHeadWriteDone} takes. */
  rcuHeadWrite: () => number;
  /** RCU has written an rcu_head. */
  rcuHeadWriteDone: (state: number) => void;
  /** The current task's subjective credential was replaced: addresses of the old and the new one. */
  credReplaced: (previous: PhysAddr, next: PhysAddr) => void;
  /** A phase of boot begins. */
  initPhase: (phase: InitPhase) => void;
}

/** Name of an extension point. */
export type ExtensionPoint = keyof ExtensionHandlers;

/** Where features attach themselves during `setup`. The kernel reads it once, when it is built. */
export interface ExtensionPoints {
  /**
   * Attaches a handler; handlers of one point run in the order of the plugins.
   * @param point - the extension point
   * @param handler - what is to run
   * @throws KpkeysError ERR_FROZEN
   */
  on<P extends ExtensionPoint>(point: P, handler: ExtensionHandlers[P]): void;
  /**
   * The handlers of a point.
   * @param point - the extension point
   */
  handlers<P extends ExtensionPoint>(point: P): readonly ExtensionHandlers[P][];
  /**
   * Takes the guard point of a setter, of which there is one.
   * @param setter - whose writes the guard opens
   * @param guard - the guard
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setGuard(setter: Setter, guard: Guard): void;
  /**
   * The guard at a setter's guard point.
   * @param setter - the setter
   */
  guard(setter: Setter): Guard | undefined;
  /**
   * Takes the place of the buddy allocator for table pages; there is one such place.
   * @param allocator - gives table pages from now on
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setTableAllocator(allocator: TableAllocator): void;
  /** What gives table pages instead of the buddy allocator; `undefined` when nothing does. */
  readonly tableAllocator: TableAllocator | undefined;
  /**
   * Takes the place of the kernel's own store of credentials; there is one such place.
   * @param store - where credentials lie from now on
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setCredStore(store: CredStore): void;
  /** Where credentials lie; `undefined` when the kernel keeps them itself. */
  readonly credStore: CredStore | undefined;
  /**
   * Adds a KUnit suite.
   * @param suite - the suite
   * @throws KpkeysError ERR_FROZEN
   */
  addSuite(suite: KunitSuite): void;
  /** All KUnit suites, in the order of the plugins. */
  readonly suites: readonly KunitSuite[];
  /** Refuses everything after. */
  freeze(): void;
}

/** Token of {@link ExtensionPoints}. */
export const ExtensionPoints: Token<ExtensionPoints> = token("ExtensionPoints");
