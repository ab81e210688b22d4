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

/** The extension points with the types of their handlers. */
export interface ExtensionHandlers {
  /**
   * A table page was allocated from the buddy allocator; no entry points to it yet. It is zeroed, except for a split of the linear map,
   * which writes all entries. If the handler returns an error, the page is freed and the allocation fails.
   */
  tablePageAllocated: (pfn: Pfn) => 0 | Errno;
  /** A table page is about to be freed to the buddy allocator; no entry points to it any more. */
  tablePageFreeing: (pfn: Pfn) => void;
  /**
   * The constructor of a table page from the buddy allocator, after {@link tablePageAllocated} and before an entry points to the page:
   * `pagetable_pte_ctor()` and those of other levels. An error makes the allocation fail.
   */
  tablePageCtor: (pfn: Pfn, level: LevelGeometry["name"], source: "kernel" | "user") => 0 | Errno;
  /** The destructor of such a page, before {@link tablePageFreeing}: `pagetable_dtor()`. */
  tablePageDtor: (pfn: Pfn, level: LevelGeometry["name"], source: "kernel" | "user") => void;
  /** A table page was allocated from memblock, for the linear map or the vmemmap, before keys can be set. */
  earlyTablePage: (pfn: Pfn, source: "early" | "vmemmap") => void;
  /**
   * The current task enters its outermost lazy MMU section. The result is stored in the task, in a slot for this handler, until the section
   * is left.
   */
  lazyMmuEnter: () => number;
  /**
   * The current task leaves its outermost lazy MMU section.
   * @param slot - the result of lazyMmuEnter
   * @param barrierFollows - whether the section has a pending barrier, which follows immediately
   */
  lazyMmuLeave: (slot: number, barrierFollows: boolean) => void;
  /**
   * The lock of a table was taken, which protects its entries: `pte_offset_map_lock`, `pmd_lock`; `init_mm.page_table_lock` to link a
   * table for kernel addresses. As in Linux, changes of leaves of kernel addresses and of tables that are being freed take no lock.
   */
  tableLocked: (pfn: Pfn) => void;
  /** The lock of a table is about to be released. */
  tableUnlocking: (pfn: Pfn) => void;
  /**
   * A kernel operation begins: a system call that changes mappings, a fault of a user address, vmalloc, vfree. Nested operations are not
   * reported.
   */
  operationEnter: () => void;
  /** A kernel operation ends. */
  operationExit: () => void;
  /** The current CPU is about to switch from one task to another, given by tid. */
  contextSwitch: (previous: number, next: number) => void;
  /**
   * A thread was created and has not run: the end of `copy_thread()`. Not called for the idle tasks, which exist before the first fork.
   * If a handler returns an error, the creation fails and all handlers of {@link taskExited} run, as `free_task()` does then.
   * @param task - its tid
   * @param parent - tid of the task that creates it, whose `thread_struct` it has a copy of
   */
  taskCreated: (task: number, parent: number) => 0 | Errno;
  /** A task, given by tid, runs a new program: `arch_setup_new_exec()`. It has its new address space and credential. */
  taskExec: (task: number) => void;
  /** A task, given by tid, ended and runs on no CPU, or could not be created: `arch_release_task_struct()`. */
  taskExited: (task: number) => void;
  /** An exception was taken from kernel mode. */
  exceptionEntry: () => void;
  /** An exception is about to return to kernel mode. */
  exceptionExit: () => void;
  /**
   * An access of the kernel faulted: to a page table, to kernel data, or a nofault access. Runs inside the exception. The first handler
   * that fixes the cause returns true, and the access is repeated. If no handler does, the fault is fixed up or is an oops.
   */
  kernelFault: (fault: FaultReport) => boolean;
  /** A CPU comes online, including the boot CPU. */
  cpuOnline: (cpu: number) => void;
  /** A CPU resumes from suspend. */
  cpuResume: (cpu: number) => void;
  /** The pages of a slab got a key. */
  slabPageTagged: (pfn: Pfn, pages: number, pkey: Pkey) => void;
  /** The slab allocator is about to write inside a slab with a key. {@link slabInternalWriteDone} receives the result. */
  slabInternalWrite: (pkey: Pkey) => number;
  /** The slab allocator has written inside a slab with a key. */
  slabInternalWriteDone: (state: number) => void;
  /** RCU is about to write an rcu_head in an object of any kind. {@link rcuHeadWriteDone} receives the result. */
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

/** The extension points of a machine. Features attach handlers in `setup`; the kernel reads them once, when it is built. */
export interface ExtensionPoints {
  /**
   * Attaches a handler. Handlers of a point run in the order of the plugins; those of `lazyMmuLeave`, `tableUnlocking`,
   * `slabInternalWriteDone` and `rcuHeadWriteDone` run in the reverse order.
   * @param point - the extension point
   * @param handler - the handler
   * @throws KpkeysError ERR_FROZEN
   */
  on<P extends ExtensionPoint>(point: P, handler: ExtensionHandlers[P]): void;
  /**
   * The handlers of a point.
   * @param point - the extension point
   */
  handlers<P extends ExtensionPoint>(point: P): readonly ExtensionHandlers[P][];
  /**
   * Sets the guard of a setter. Each setter has at most one guard.
   * @param setter - the setter
   * @param guard - the guard
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setGuard(setter: Setter, guard: Guard): void;
  /**
   * The guard of a setter; `undefined` if it has none.
   * @param setter - the setter
   */
  guard(setter: Setter): Guard | undefined;
  /**
   * Replaces the buddy allocator for table pages. A machine has at most one replacement.
   * @param allocator - allocates table pages
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setTableAllocator(allocator: TableAllocator): void;
  /** The allocator of table pages that replaces the buddy allocator; `undefined` if there is none. */
  readonly tableAllocator: TableAllocator | undefined;
  /**
   * Replaces the kernel's store of credentials. A machine has at most one replacement.
   * @param store - allocates and protects credentials
   * @throws KpkeysError ERR_FROZEN, ERR_GUARD_TAKEN
   */
  setCredStore(store: CredStore): void;
  /** The store of credentials that replaces the kernel's; `undefined` if there is none. */
  readonly credStore: CredStore | undefined;
  /**
   * Adds a KUnit suite.
   * @param suite - the suite
   * @throws KpkeysError ERR_FROZEN
   */
  addSuite(suite: KunitSuite): void;
  /** All KUnit suites, in the order of the plugins. */
  readonly suites: readonly KunitSuite[];
  /** Rejects later changes. */
  freeze(): void;
}

/** Token of {@link ExtensionPoints}. */
export const ExtensionPoints: Token<ExtensionPoints> = token("ExtensionPoints");
