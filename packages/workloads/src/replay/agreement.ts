import type { VmpteRecord } from "../reader/vmpte.js";
import type { Program } from "./program.js";

/** A process of which the model and Linux differ. */
export interface Difference {
  /** The process. */
  readonly pid: number;
  /** Its name. */
  readonly name: string;
  /** Table pages below the top level in the model, at its exit. */
  readonly model: number;
  /** The same in the kernel's own account. */
  readonly kernel: number;
  /** What the trace cannot know of it. */
  readonly why: string;
}

/** How the model agrees with the kernel that ran the workload. */
export interface Agreement {
  /** Processes in the kernel's account, but for the recorder's own; of a replay that was not whole, those whose exit it replayed. */
  readonly processes: number;
  /** Of which the model has the same number of table pages. */
  readonly equal: number;
  /** The others. */
  readonly differences: readonly Difference[];
}

/** A process at its exit, as the model has it. */
export interface ExitRecord {
  /** Table pages below the top level. */
  readonly tablePages: number;
  /** What the trace does not tell of it; empty when nothing is known to lack. */
  readonly why: string;
  /** The same of what could only add to its tables. */
  readonly whyFewer: string;
}

/** The page tables of the machine, as far as a comparison needs them. */
export interface TableShape {
  /** Bytes of a page, and of a table. */
  readonly pageBytes: number;
  /** Pages that a table of the last level maps. */
  readonly tablePages: number;
}

/** How much of a stack the strings of execve's arguments most often fill at most. */
const ARGUMENT_BYTES = 128 * 1024;

/**
 * What the trace does not tell of a program, the weightiest first.
 * @param program - the program
 * @param lost - events that perf has lost so far
 * @returns a clause; empty when nothing is known to lack
 */
export function unknownOf(program: Program, lost: number): string {
  const { fromBefore, lostBefore, refused, unexplained, calledClone3, lockedAll, threaded } = program;
  if (fromBefore) return "part of its life lies before the trace began";
  if (lost > lostBefore) return `perf lost ${lost - lostBefore} events while it lived`;
  if (refused > 0) return `${refused} of its system calls cannot be carried out as the trace has them`;
  if (unexplained > 0) return `${unexplained} of its faults lie in no mapping that the trace tells of`;
  if (calledClone3) return "it called clone3, and the struct with the flags is not in the trace";
  if (lockedAll) return "mlockall filled mappings of execve, whose sizes are not in the trace";
  if (threaded) return "its threads may have faulted between Linux's account and exit_group";
  return "";
}

/**
 * What the trace does not tell of a program's stack: execve fills its top without a fault.
 * @param program - the program
 * @param shape - of the machine's tables
 * @returns a clause if that may reach into one more table, else empty
 */
export function unknownStackOf({ stackPage }: Program, { tablePages, pageBytes }: TableShape): string {
  const nearEnd = stackPage !== undefined && stackPage % tablePages >= tablePages - ARGUMENT_BYTES / pageBytes;
  return nearEnd
    ? "what execve wrote at the top of its stack is not in the trace and may reach into one more table"
    : "";
}

/**
 * Holds the model's processes against the kernel's account.
 * @param account - it
 * @param exits - the model's processes at their exits, by pid; a pid used again has several
 * @param whole - whether the whole trace was replayed; if not, processes without an exit say nothing, nor do pids used again
 * @param lacks - what the trace lacks, which may explain any difference
 * @param pageBytes - bytes of a table page
 */
export function compareWithLinux(
  account: readonly VmpteRecord[],
  exits: ReadonlyMap<number, readonly ExitRecord[]>,
  whole: boolean,
  lacks: readonly string[],
  pageBytes: number,
): Agreement {
  const met = new Map<number, number>();
  const all = account.filter(({ name, pid }) => name !== "perf" || exits.has(pid));
  const times = new Map<number, number>();
  for (const { pid } of all) times.set(pid, (times.get(pid) ?? 0) + 1);
  const records = whole ? all : all.filter(({ pid }) => exits.has(pid) && times.get(pid) === 1);
  const differences: Difference[] = [];
  for (const { pid, name, vmpteKb } of records) {
    const turn = met.get(pid) ?? 0;
    met.set(pid, turn + 1);
    const exit = exits.get(pid)?.[turn];
    const kernel = (vmpteKb * 1024) / pageBytes;
    if (exit?.tablePages === kernel) continue;
    differences.push({ pid, name, model: exit?.tablePages ?? 0, kernel, why: whyOf(exit, kernel, lacks) });
  }
  return { processes: records.length, equal: records.length - differences.length, differences };
}

/** Why the model may have another number than Linux; if nothing is known to lack, that is said. */
function whyOf(exit: ExitRecord | undefined, kernel: number, lacks: readonly string[]): string {
  if (exit === undefined) return "the trace has no exit_group of it";
  const { tablePages, why, whyFewer } = exit;
  const known = lacks[0] ?? (why || (tablePages < kernel ? whyFewer : ""));
  return known === "" ? "no reason known" : known;
}
