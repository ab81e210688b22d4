import { argUnsigned, EventKind, type TraceEvent } from "./event.js";
import { FORMATS } from "./formats.js";
import { type Abi, ARM_SET_TLS, OLD_MMAP, SYSCALL_NUMBERS } from "./syscall-numbers.js";
import { EXECUTED, type ThreadState, type ThreadStates } from "./thread-states.js";

/** A 64-bit ABI and that of the 32-bit processes which run on the same kernel. */
interface Machine {
  readonly wide: Abi;
  readonly narrow: Abi;
}

const X86: Machine = { wide: "x86-64", narrow: "i386" };
const ARM: Machine = { wide: "arm64", narrow: "arm" };

/** What a recording's header calls its machine (`uname -m`): the machine, and the width of its kernel. */
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

/** Formats of entries by number, -1 for calls that are not read. */
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

/** Decodes system calls that are recorded by their numbers. */
export interface RawCalls {
  /**
   * Turns an event of any system call into that of the call.
   * @param event - the event, its number and arguments filled in; takes the kind
   * @param exit - whether it returns
   * @returns why it is no event to hand on; `undefined` if it is one
   */
  refusal(event: TraceEvent, exit: boolean): string | undefined;
}

/**
 * Makes the decoder. What a number means depends on the machine, which the header of a recording names; without one, the machine is
 * the one by whose numbers most calls of the first lines have arguments that such calls can have. A process of 32 bits has
 * other numbers than its kernel: on x86 the return from execve has the number of the new program's ABI, and else a process is of
 * 32 bits when a call has arguments that fit its 32-bit meaning, and of 64 bits when an argument needs more than 32.
 *
 * @param threads - the threads of the trace
 * @param head - the first lines
 */
export function createRawCalls(threads: ThreadStates, head: string): RawCalls {
  const [, named = ""] = HEADER_ARCH.exec(head) ?? [];
  const known = NAMED.find(([pattern]) => pattern.test(named));
  const narrowKernel = known?.[2] === 32;
  let machine = known?.[1] ?? machineOf(head);

  /** The width of a thread's numbers, from the arguments of a call. */
  function widthOf(thread: ThreadState, numbers: readonly number[], { narrow }: Machine, number: number): number {
    if (narrowKernel) return 32;
    if (numbers.some((value) => value >= HIGH)) return 64;
    if (thread.bits === 0 && isLike(narrow, number, numbers)) return 32;
    return thread.bits;
  }

  function enter(event: TraceEvent, thread: ThreadState): number {
    const needsWidth = thread.bits !== 64 || machine === undefined;
    if (needsWidth) {
      const numbers = Array.from({ length: 6 }, (_, slot) => argUnsigned(event, slot));
      machine ??= mostLike([[event.callNumber, numbers]]);
      if (machine === undefined) return -1;
      thread.bits = widthOf(thread, numbers, machine, event.callNumber);
    }
    const { wide, narrow } = machine!;
    return TABLES[thread.bits === 32 ? narrow : wide][event.callNumber] ?? -1;
  }

  /** The exit of a thread's call. That of an execve has the number of the new program's ABI. */
  function leave(event: TraceEvent, thread: ThreadState): number {
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

  return {
    refusal(event, exit) {
      const thread = threads.of(event.tid);
      const format = FORMATS[exit ? leave(event, thread) : enter(event, thread)];
      if (format === undefined) return otherCall(event, exit, thread, machine);
      event.kind = (format.kind + (exit ? 1 : 0)) as EventKind;
      if (exit || format.skipped === 0) return undefined;
      event.argHigh.copyWithin(0, format.skipped);
      event.argLow.copyWithin(0, format.skipped);
      return undefined;
    },
  };
}

/** What an unused line is: one of a call that has no effect on the tables, or one whose arguments are not in it. */
function otherCall({ callNumber }: TraceEvent, exit: boolean, { bits }: ThreadState, machine?: Machine): string {
  if (machine === undefined) return "system call by number, of an unknown architecture";
  if (machine === X86 && bits === 32 && callNumber === OLD_MMAP) return "mmap of i386 with its arguments in memory";
  return exit ? "raw_syscalls:sys_exit" : "raw_syscalls:sys_enter";
}

function callOf(abi: Abi, number: number): string | undefined {
  const format = FORMATS[TABLES[abi][number] ?? -1];
  return format?.name.replace("syscalls:sys_enter_", "");
}

/** The machine whose numbers fit the calls of a text. */
function machineOf(text: string): Machine | undefined {
  return mostLike(
    Array.from(text.matchAll(ENTRY), ([, number, list]) => [
      Number(number),
      list!.split(", ").map((value) => Number.parseInt(value, 16)),
    ]),
  );
}

/**
 * The machine by whose numbers most calls have arguments that they can have. The two ABIs of 32 bits share most numbers: arm is known
 * by the calls that it has alone.
 */
function mostLike(calls: readonly (readonly [number: number, numbers: readonly number[]])[]): Machine | undefined {
  const x86 = calls.filter(([number, numbers]) => isOf(X86, number, numbers)).length;
  const arm = calls.filter(([number, numbers]) => isOf(ARM, number, numbers)).length;
  if (x86 === 0 && arm === 0) return undefined;
  return x86 >= arm ? X86 : ARM;
}

function isOf(machine: Machine, number: number, numbers: readonly number[]): boolean {
  if (machine === ARM && number === ARM_SET_TLS) return true;
  const fitsNarrow = numbers.every((value) => value < HIGH);
  return isLike(machine.wide, number, numbers) || (fitsNarrow && isLike(machine.narrow, number, numbers));
}

/** The first arguments of a call. */
type Arguments = readonly number[];

const PAGE_BYTES = 4096;
/** Above PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM, and PROT_BTI and PROT_MTE of arm64. */
const PROT_END = 0x40;
/** Above MADV_GUARD_REMOVE, the last advice. */
const ADVICE_END = 104;
/** The bits of MAP_SHARED (1), MAP_PRIVATE (2) and MAP_SHARED_VALIDATE (3). */
const MAP_TYPE = 0xf;
/** Above MAP_UNINITIALIZED, the last flag of mmap. */
const MAP_END = 2 ** 27;

/** Whether a call has a range of user addresses that begins at a page. */
function hasRange([start = 0, length = 0]: Arguments): boolean {
  return start % PAGE_BYTES === 0 && length > 0 && length < 2 ** 47;
}

/** Whether a call has a range of whole pages that exists: not at address 0. */
function hasPages(args: Arguments): boolean {
  const [start = 0, length = 0] = args;
  return hasRange(args) && start > 0 && length % PAGE_BYTES === 0;
}

function isLikeMmap(args: Arguments): boolean {
  const [, , prot = 0, flags = 0] = args;
  const type = flags & MAP_TYPE;
  return hasRange(args) && prot < PROT_END && type >= 1 && type <= 3 && flags < MAP_END;
}

/** Whether arguments are such as the call has: of the calls whose arguments differ from those of most others. */
const LIKE: ReadonlyMap<string | undefined, (args: Arguments) => boolean> = new Map([
  ["mmap", isLikeMmap],
  ["mmap2", isLikeMmap],
  ["munmap", hasPages],
  ["mprotect", (args) => hasPages(args) && (args[2] ?? 0) < PROT_END],
  ["madvise", (args) => hasRange(args) && args[0]! > 0 && (args[2] ?? 0) < ADVICE_END],
  ["brk", ([end = 0]) => end === 0],
]);

/** Whether a number means one of the calls of {@link LIKE}, and the arguments are such as it has. */
function isLike(abi: Abi, number: number, args: Arguments): boolean {
  return LIKE.get(callOf(abi, number))?.(args) ?? false;
}
