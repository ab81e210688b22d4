import { argUnsigned, EventKind, type TraceEvent } from "./event.js";
import { FORMATS } from "./formats.js";
import { type Abi, ARM_SET_TLS, OLD_MMAP, SYSCALL_NUMBERS } from "./syscall-numbers.js";
import { EXECUTED, type ThreadState, type ThreadStates } from "./thread-states.js";

/** A 64-bit ABI and the 32-bit ABI of the same kernel. */
interface Machine {
  readonly wide: Abi;
  readonly narrow: Abi;
}

const X86: Machine = { wide: "x86-64", narrow: "i386" };
const ARM: Machine = { wide: "arm64", narrow: "arm" };

/** Machines by their name in a recording's header (`uname -m`), with the width of the kernel; 0 for 64 bits with 32-bit processes. */
const NAMED: readonly (readonly [RegExp, Machine, number])[] = [
  [/^(?:x86_64|amd64)$/, X86, 0],
  [/^i[3-6]86$/, X86, 32],
  [/^(?:aarch64|arm64|riscv64|loongarch64)$/, ARM, 0],
  [/^arm/, ARM, 32],
];

const HEADER_ARCH = /^# arch : (\S+)$/m;
const ENTRY = /sys_enter(?::[a-zA-Z]+)?: +NR (\d+) \(([0-9a-f]+(?:, [0-9a-f]+){5})\)/g;

/** Bits 63 to 32 of a number. */
const HIGH = 0x1_0000_0000;

/** Index of the entry's format by call number; -1 for calls that are not used. */
type Table = Int16Array;

function tableOf(abi: Abi): Table {
  const numbers = SYSCALL_NUMBERS[abi];
  const table = new Int16Array(Math.max(...Object.values(numbers)) + 1).fill(-1);
  for (const [call, number] of Object.entries(numbers))
    table[number] = FORMATS.findIndex(({ name }) => name === `syscalls:sys_enter_${call}`);
  return table;
}

const TABLES: Readonly<Record<Abi, Table>> = {
  "x86-64": tableOf("x86-64"),
  i386: tableOf("i386"),
  arm64: tableOf("arm64"),
  arm: tableOf("arm"),
};

/**
 * Decodes system calls that are recorded by number. The meaning of a number depends on the machine, which the header of a recording
 * names. Without a header it is the machine whose numbers give most calls of the first lines plausible arguments. A 32-bit process uses
 * other numbers than its 64-bit kernel. On x86 the exit of execve has the number of the new program's ABI. Otherwise a thread is 32-bit
 * once a call has plausible arguments for its 32-bit number, and 64-bit once an argument needs more than 32 bits.
 */
export class RawCalls {
  private readonly threads: ThreadStates;
  private readonly narrowKernel: boolean;
  private machine: Machine | undefined;

  /**
   * @param threads - the threads of the trace
   * @param head - the first lines of the trace
   */
  constructor(threads: ThreadStates, head: string) {
    this.threads = threads;
    const [, named = ""] = HEADER_ARCH.exec(head) ?? [];
    const known = NAMED.find(([pattern]) => pattern.test(named));
    this.narrowKernel = known?.[2] === 32;
    this.machine = known?.[1] ?? machineOf(head);
  }

  /**
   * Sets the kind of a raw_syscalls event.
   * @param event - the event, with its number and arguments
   * @param exit - whether the event is an exit
   * @returns the reason to skip the event, or `undefined`
   */
  skipReason(event: TraceEvent, exit: boolean): string | undefined {
    const thread = this.threads.of(event.tid);
    const format = FORMATS[exit ? this.exitFormat(event, thread) : this.entryFormat(event, thread)];
    if (format === undefined) return otherCall(event, exit, thread, this.machine);
    event.kind = (format.kind + (exit ? 1 : 0)) as EventKind;
    if (exit || format.skipped === 0) return undefined;
    event.argHigh.copyWithin(0, format.skipped);
    event.argLow.copyWithin(0, format.skipped);
    return undefined;
  }

  private entryFormat(event: TraceEvent, thread: ThreadState): number {
    if (thread.bits !== 64 || this.machine === undefined) {
      const numbers = Array.from({ length: 6 }, (_, slot) => argUnsigned(event, slot));
      this.machine ??= bestMachine([[event.callNumber, numbers]]);
      if (this.machine === undefined) return -1;
      thread.bits = this.widthOf(thread, numbers, this.machine, event.callNumber);
    }
    const { wide, narrow } = this.machine;
    return TABLES[thread.bits === 32 ? narrow : wide][event.callNumber] ?? -1;
  }

  /** On x86 the exit of execve has the number of the new program's ABI. */
  private exitFormat(event: TraceEvent, thread: ThreadState): number {
    const { machine } = this;
    if (machine === undefined) return -1;
    const { wide, narrow } = machine;
    const { callNumber } = event;
    const executes = thread.call === EXECUTED || thread.call === EventKind.sys_enter_execve;
    if (executes && (event.argHigh[0]! | event.argLow[0]!) === 0) {
      const isNarrow = callOf(narrow, callNumber)?.startsWith("execve") === true;
      const isWide = callOf(wide, callNumber)?.startsWith("execve") === true;
      if (isNarrow || isWide) {
        thread.bits = machine === ARM ? 0 : isNarrow ? 32 : 64;
        return TABLES[isNarrow ? narrow : wide][callNumber]!;
      }
    }
    return TABLES[thread.bits === 32 ? narrow : wide][callNumber] ?? -1;
  }

  /** The width of a thread's calls, from the arguments of a call. */
  private widthOf(thread: ThreadState, numbers: Arguments, { narrow }: Machine, number: number): number {
    if (this.narrowKernel) return 32;
    if (numbers.some((value) => value >= HIGH)) return 64;
    if (thread.bits === 0 && isPlausible(narrow, number, numbers)) return 32;
    return thread.bits;
  }
}

/** Description of a line that is not used: its call has no effect on page tables, or its arguments are not in the line. */
function otherCall({ callNumber }: TraceEvent, exit: boolean, { bits }: ThreadState, machine?: Machine): string {
  if (machine === undefined) return "system call by number, of an unknown architecture";
  if (machine === X86 && bits === 32 && callNumber === OLD_MMAP) return "mmap of i386 with its arguments in memory";
  return exit ? "raw_syscalls:sys_exit" : "raw_syscalls:sys_enter";
}

function callOf(abi: Abi, number: number): string | undefined {
  const format = FORMATS[TABLES[abi][number] ?? -1];
  return format?.name.replace("syscalls:sys_enter_", "");
}

/** The machine whose numbers fit the calls of a text best. */
function machineOf(text: string): Machine | undefined {
  return bestMachine(
    Array.from(text.matchAll(ENTRY), ([, number, list]) => [
      Number(number),
      list!.split(", ").map((value) => Number.parseInt(value, 16)),
    ]),
  );
}

/**
 * The machine whose numbers give most calls plausible arguments. The two 32-bit ABIs share most numbers; a call that only arm has
 * decides for arm.
 */
function bestMachine(calls: readonly (readonly [number: number, numbers: Arguments])[]): Machine | undefined {
  const x86 = calls.filter(([number, numbers]) => isOf(X86, number, numbers)).length;
  const arm = calls.filter(([number, numbers]) => isOf(ARM, number, numbers)).length;
  if (x86 === 0 && arm === 0) return undefined;
  return x86 >= arm ? X86 : ARM;
}

function isOf(machine: Machine, number: number, numbers: Arguments): boolean {
  if (machine === ARM && number === ARM_SET_TLS) return true;
  const fitsNarrow = numbers.every((value) => value < HIGH);
  return isPlausible(machine.wide, number, numbers) || (fitsNarrow && isPlausible(machine.narrow, number, numbers));
}

/** The arguments of a call. */
type Arguments = readonly number[];

const PAGE_BYTES = 4096;
/** Above PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM, and PROT_BTI and PROT_MTE of arm64. */
const PROT_END = 0x40;
/** Above MADV_GUARD_REMOVE, the highest advice. */
const ADVICE_END = 104;
/** The bits of MAP_SHARED (1), MAP_PRIVATE (2) and MAP_SHARED_VALIDATE (3). */
const MAP_TYPE = 0xf;
/** Above MAP_UNINITIALIZED, the highest flag of mmap. */
const MAP_END = 2 ** 27;

/** Whether a call has a page-aligned range of user addresses. */
function hasRange([start = 0, length = 0]: Arguments): boolean {
  return start % PAGE_BYTES === 0 && length > 0 && length < 2 ** 47;
}

/** Whether a call has a range of whole pages that is not at address 0. */
function hasPages(args: Arguments): boolean {
  const [start = 0, length = 0] = args;
  return hasRange(args) && start > 0 && length % PAGE_BYTES === 0;
}

function isMmap(args: Arguments): boolean {
  const [, , prot = 0, flags = 0] = args;
  const type = flags & MAP_TYPE;
  return hasRange(args) && prot < PROT_END && type >= 1 && type <= 3 && flags < MAP_END;
}

/** Checks of the arguments, for the calls whose arguments differ from those of most other calls. */
const PLAUSIBLE: ReadonlyMap<string | undefined, (args: Arguments) => boolean> = new Map([
  ["mmap", isMmap],
  ["mmap2", isMmap],
  ["munmap", hasPages],
  ["mprotect", (args) => hasPages(args) && (args[2] ?? 0) < PROT_END],
  ["madvise", (args) => hasRange(args) && args[0]! > 0 && (args[2] ?? 0) < ADVICE_END],
  ["brk", ([end = 0]) => end === 0],
]);

/** Whether a number is one of the calls in {@link PLAUSIBLE} and the arguments pass its check. */
function isPlausible(abi: Abi, number: number, args: Arguments): boolean {
  return PLAUSIBLE.get(callOf(abi, number))?.(args) ?? false;
}
