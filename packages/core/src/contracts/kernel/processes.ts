import type { Access, Privilege } from "../access.js";
import type { Errno } from "../errno.js";
import type { Pfn, PhysAddr, Vpn } from "../numbers.js";
import { token } from "../token.js";
import type { Words } from "../pkey-register.js";
import type { Token } from "../token.js";

/** PROT_ bits of mmap and mprotect. */
export const Prot = {
  /** PROT_READ. */
  READ: 1,
  /** PROT_WRITE. */
  WRITE: 2,
  /** PROT_EXEC. */
  EXEC: 4,
} as const;

/** MAP_ bits of mmap that affect page tables. */
export const MapFlag = {
  /** MAP_SHARED. */
  SHARED: 0x01,
  /** MAP_PRIVATE. */
  PRIVATE: 0x02,
  /** MAP_FIXED. */
  FIXED: 0x10,
  /** MAP_ANONYMOUS. */
  ANONYMOUS: 0x20,
  /** MAP_GROWSDOWN. */
  GROWSDOWN: 0x100,
  /** MAP_POPULATE. */
  POPULATE: 0x8000,
} as const;

/** An address space: `mm_struct`. */
export interface Mm {
  /** Number of the address space, unique in the machine. */
  readonly id: number;
  /** Page-frame number of its top-level table, or of the page that holds it. */
  readonly root: Pfn;
  /**
   * Index, in that page, of the first entry of its top-level table; 0 if the table has the whole page. A table smaller than a page shares
   * the page with tables of other address spaces.
   */
  readonly rootIndex: number;
  /** Table pages of pte, pmd and pud below the top level: VmPTE in pages. Linux does not count those of a p4d level. */
  readonly tablePages: number;
  /** Reference count of tasks and other users. */
  readonly users: number;
}

/**
 * The system calls that change address spaces, and the faults that fill them. Addresses and lengths here are in virtual
 * page numbers (address >> pageShift) and pages; the callers of system calls have rounded them. If a call needs a page and none is free, it
 * throws KpkeysError ERR_OUT_OF_MEMORY.
 */
export interface AddressSpaces {
  /** All address spaces alive. */
  readonly all: Iterable<Mm>;
  /** Faults of user addresses handled so far. */
  readonly faults: number;
  /** Makes an empty address space. @returns it @throws KpkeysError ERR_OUT_OF_MEMORY */
  create(): Mm;
  /**
   * `dup_mmap`: copies an address space for fork, with copy-on-write.
   * @param mm - the parent's
   * @returns the child's
   * @throws KpkeysError ERR_OUT_OF_MEMORY; the partial copy is freed
   */
  fork(mm: Mm): Mm;
  /** Adds a user: vfork, CLONE_VM. @param mm - the address space */
  get(mm: Mm): void;
  /** Removes a user; the last one frees the address space: `mmput`, `exit_mmap`. @param mm - the address space */
  put(mm: Mm): void;
  /**
   * mmap at a given address.
   * @param mm - the address space
   * @param page - first virtual page
   * @param pages - length
   * @param prot - {@link Prot} bits
   * @param flags - MAP_ bits, such as {@link MapFlag}; mapped pages of the range are unmapped first
   * @returns 0, or an error: -ENOMEM outside the user's half or with 65,530 mappings
   */
  mmap(mm: Mm, page: Vpn, pages: number, prot: number, flags: number): 0 | Errno;
  /** munmap. @param mm - the address space @param page - first virtual page @param pages - length @returns 0 or an error */
  munmap(mm: Mm, page: Vpn, pages: number): 0 | Errno;
  /**
   * mprotect.
   * @param mm - the address space
   * @param page - first virtual page
   * @param pages - length
   * @param prot - {@link Prot} bits
   * @returns 0 or an error
   */
  mprotect(mm: Mm, page: Vpn, pages: number, prot: number): 0 | Errno;
  /**
   * mremap to a given address.
   * @param mm - the address space
   * @param page - first virtual page of the old range
   * @param pages - its length
   * @param newPage - first virtual page of the new range
   * @param newPages - its length
   * @param flags - MREMAP_ bits, none if left out; only DONTUNMAP (4) has an effect, because the address is given
   * @returns 0; an error, -EFAULT if `page` is unmapped, or if the lengths differ and the pages that stay are not of one mapping
   */
  mremap(mm: Mm, page: Vpn, pages: number, newPage: Vpn, newPages: number, flags?: number): 0 | Errno;
  /** brk. @param mm - the address space @param page - one past the heap's last page, rounded up @returns 0 or an error */
  brk(mm: Mm, page: Vpn): 0 | Errno;
  /**
   * madvise.
   * @param mm - the address space
   * @param page - first virtual page
   * @param pages - length
   * @param advice - MADV_ number. DONTNEED (4, 24), FREE (8), COLD (20), PAGEOUT (21), POPULATE_READ (22), POPULATE_WRITE (23)
   *   and GUARD_INSTALL (102) act on pages, DONTFORK (10) and similar ones on the mapping; others are accepted without an effect
   * @returns 0 or an error
   */
  madvise(mm: Mm, page: Vpn, pages: number, advice: number): 0 | Errno;
  /**
   * mlock: populates a range as faults do, and keeps it populated if its mappings grow or become writable. mlock2 with flags.
   * @param mm - the address space
   * @param page - first virtual page
   * @param pages - length
   * @param flags - none if left out; with MLOCK_ONFAULT (1) the range is locked, but neither this call nor a later one populates it
   * @returns 0; an error, -EINVAL for another flag
   */
  mlock(mm: Mm, page: Vpn, pages: number, flags?: number): 0 | Errno;
  /** munlock. @param mm - the address space @param page - first virtual page @param pages - length @returns 0 or an error */
  munlock(mm: Mm, page: Vpn, pages: number): 0 | Errno;
  /**
   * mlockall, and munlockall with no flags.
   * @param mm - the address space
   * @param flags - MCL_ bits: CURRENT (1) populates all mappings, FUTURE (2) populates later ones; with ONFAULT (4) neither populates
   */
  mlockall(mm: Mm, flags: number): void;
  /**
   * The rights of the mapping that contains a page.
   * @param mm - the address space
   * @param page - virtual page
   * @returns its {@link Prot} bits; `undefined` if no mapping contains the page
   */
  protectionAt(mm: Mm, page: Vpn): number | undefined;
  /**
   * The end of the mapping nearest below a page.
   * @param mm - the address space
   * @param page - virtual page
   * @returns one past its last page; the page itself if a mapping that begins below contains it; 0 without a mapping below
   */
  endBelow(mm: Mm, page: Vpn): number;
  /**
   * Makes an access of the current task to a user address. The fault handler handles each fault and the CPU repeats the access, until it
   * succeeds or Linux would send a signal.
   * @param mm - the address space, which is the current one
   * @param page - virtual page of the address
   * @param access - the kind of access
   * @param privilege - USER, or UACCESS for copy_to_user and similar functions
   * @returns the number of faults, 0 if the page was mapped; `undefined` if no mapping allows the access
   * @throws KpkeysError ERR_OUT_OF_MEMORY; ERR_KERNEL_FAULT if the access still faults after 8 handled faults
   */
  touch(mm: Mm, page: Vpn, access: Access, privilege: Privilege): number | undefined;
}

/** Token of {@link AddressSpaces}. */
export const AddressSpaces: Token<AddressSpaces> = token("AddressSpaces");

/** A thread: `task_struct`. */
export interface Task {
  /** Thread id. */
  readonly tid: number;
  /** Its address space; `undefined` for a kernel thread and after exit. */
  readonly mm: Mm | undefined;
  /** Bits 63 to 32 of the key register while the task does not run. */
  readonly pkeyRegisterHigh: number;
  /** Bits 31 to 0 of it: `thread.por_el1`. */
  readonly pkeyRegisterLow: number;
  /** The register for fetches while the task does not run (`thread.iamr` of POWER); `undefined` if there is none. */
  readonly fetchRegister: Words | undefined;
  /** Address of its subjective credential, with which it acts on objects. {@link NULL} after exit. */
  readonly cred: PhysAddr;
  /** Address of its objective credential, with which other tasks act on it. {@link NULL} after exit. */
  readonly realCred: PhysAddr;
}

/** CLONE_ bits of clone that the model uses. */
export const CloneFlag = {
  /** CLONE_VM: the address space is shared. */
  VM: 0x100,
  /** CLONE_THREAD: the credentials are shared. */
  THREAD: 0x10000,
} as const;

/** Tasks and the switch between them. */
export interface Tasks {
  /** The task that the current CPU executes. */
  readonly current: Task;
  /** All tasks alive. */
  readonly all: Iterable<Task>;
  /**
   * Makes a task: like fork, it copies the current register value and the current task's credentials (`copy_creds`).
   * @param mm - its address space, whose reference it takes over unless it throws; `undefined` for a kernel thread
   * @param flags - {@link CloneFlag} bits; CLONE_THREAD shares the credentials, others have no effect
   * @returns the task
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  create(mm: Mm | undefined, flags?: number): Task;
  /**
   * Sets a new address space and a new credential, as exec does, and puts the old address space.
   * @param task - the task
   * @param mm - the new address space, whose reference it takes over unless it throws
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  exec(task: Task, mm: Mm): void;
  /** Ends a task; the current one is replaced by the idle task first. @param task - the task */
  exit(task: Task): void;
  /** `context_switch` on the current CPU: saves the live key register, loads the next task's. @param next - a task */
  switchTo(next: Task): void;
}

/** Token of {@link Tasks}. */
export const Tasks: Token<Tasks> = token("Tasks");
