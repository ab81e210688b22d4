import { EventKind } from "./event.js";
import { type ArgumentNames, straceNumber } from "./strace-numbers.js";

/** A system call that is read. */
export interface CallForm {
  /** The kind of its entry. */
  readonly kind: EventKind;
  /** The names that each argument may have besides numbers; undefined if the arguments are not read as numbers. */
  readonly args: readonly ArgumentNames[] | undefined;
  /** Number of arguments that strace always prints. */
  readonly least: number;
  /** Number of arguments of the event. */
  readonly kept: number;
}

function numbers(kind: EventKind, args: readonly ArgumentNames[], kept = args.length, least = args.length): CallForm {
  return { kind, args, least, kept };
}

function opaque(kind: EventKind): CallForm {
  return { kind, args: undefined, least: 0, kept: 0 };
}

const MMAP = numbers(EventKind.sys_enter_mmap, ["", "", "PROT", "MAP", "", ""]);
const MREMAP = numbers(EventKind.sys_enter_mremap, ["", "", "", "MREMAP", ""], 5, 4);

/** The system calls that are read, by their names in strace on 64-bit and 32-bit machines. */
export const CALLS: ReadonlyMap<string, CallForm> = new Map([
  ["mmap", MMAP],
  ["mmap2", MMAP],
  ["old_mmap", MMAP],
  ["mmap_pgoff", MMAP],
  ["munmap", numbers(EventKind.sys_enter_munmap, ["", ""])],
  ["mprotect", numbers(EventKind.sys_enter_mprotect, ["", "", "PROT"])],
  ["pkey_mprotect", numbers(EventKind.sys_enter_mprotect, ["", "", "PROT", ""], 3)],
  ["mremap", MREMAP],
  ["brk", numbers(EventKind.sys_enter_brk, [""])],
  ["madvise", numbers(EventKind.sys_enter_madvise, ["", "", "MADV"])],
  ["mlock", numbers(EventKind.sys_enter_mlock, ["", ""])],
  ["mlock2", numbers(EventKind.sys_enter_mlock2, ["", "", "MLOCK"])],
  ["munlock", numbers(EventKind.sys_enter_munlock, ["", ""])],
  ["mlockall", numbers(EventKind.sys_enter_mlockall, ["MCL"])],
  ["munlockall", numbers(EventKind.sys_enter_munlockall, [])],
  ["shmat", numbers(EventKind.sys_enter_shmat, ["", "", "SHM"])],
  ["shmdt", numbers(EventKind.sys_enter_shmdt, [""])],
  ["remap_file_pages", numbers(EventKind.sys_enter_remap_file_pages, ["", "", "PROT", "", "MAP"])],
  ["process_madvise", opaque(EventKind.sys_enter_process_madvise)],
  ["clone", opaque(EventKind.sys_enter_clone)],
  ["clone2", opaque(EventKind.sys_enter_clone)],
  ["clone3", opaque(EventKind.sys_enter_clone)],
  ["fork", opaque(EventKind.sys_enter_fork)],
  ["vfork", opaque(EventKind.sys_enter_vfork)],
  ["execve", opaque(EventKind.sys_enter_execve)],
  ["execveat", opaque(EventKind.sys_enter_execve)],
  ["exit_group", numbers(EventKind.sys_enter_exit_group, [""])],
]);

/** Whether a call creates a thread or a process. @param kind - the kind of its entry */
export function isFork(kind: EventKind): boolean {
  return kind >= EventKind.sys_enter_clone && kind <= EventKind.sys_enter_vfork;
}

/** The structure argument of mmap on 32-bit x86: `{addr=NULL, len=4096, …}`. */
const STRUCTURE = /^\{(.*)\}$/s;
const FIELD = /^\w+=/;
const MREMAP_FIXED = 2n;

/**
 * Reads the arguments of a call as numbers.
 * @param form - the call
 * @param args - its arguments as strace prints them
 * @returns at least the arguments of the event, or undefined if an argument is damaged or their number is wrong
 */
export function readCallArguments(form: CallForm, args: readonly string[]): bigint[] | undefined {
  const fields = args.length === 1 ? STRUCTURE.exec(args[0]!)?.[1] : undefined;
  const words = fields === undefined ? args : fields.split(",").map((field) => field.trim().replace(FIELD, ""));
  const names = form.args ?? [];
  if (words.length < form.least || words.length > names.length) return undefined;
  const values: bigint[] = [];
  for (const [slot, word] of words.entries()) {
    const value = straceNumber(word, names[slot]!);
    if (value === undefined) return undefined;
    values.push(value);
  }
  if (form === MREMAP && words.length === 4 && (values[3]! & MREMAP_FIXED) !== 0n) return undefined;
  while (values.length < form.kept) values.push(0n);
  return values;
}

/** Whether strace printed the address of a structure argument because it could not read the structure. */
export function isUnreadStructure(form: CallForm, args: readonly string[]): boolean {
  return form === MMAP && args.length === 1 && straceNumber(args[0]!, "") !== undefined;
}

/** The flags of clone, or of the structure of clone3. */
const FLAGS = /^\{?flags=([^,}]*)/;

/**
 * Reads the flags of clone or clone3.
 * @param args - the arguments as strace prints them
 * @returns undefined if strace did not print them: it could not read the structure, or the call has not returned. "damaged" if they
 * cannot be read
 */
export function readCloneFlags(args: readonly string[]): bigint | undefined | "damaged" {
  const labelled = args.map((arg) => FLAGS.exec(arg)?.[1]).find((flags) => flags !== undefined);
  if (labelled !== undefined) return straceNumber(labelled, "CLONE") ?? "damaged";
  // With `-e raw=clone` the arguments are not decoded; on x86 and arm64 the flags are the first.
  return args.length === 5 ? (straceNumber(args[0]!, "CLONE") ?? "damaged") : undefined;
}
