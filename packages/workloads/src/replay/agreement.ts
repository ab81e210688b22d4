import type { VmpteRecord } from "../reader/vmpte.js";
import type { Program } from "./program.js";

/** A process whose number of table pages differs between the model and Linux. */
export interface Difference {
  /** The process. */
  readonly pid: number;
  /** Its name. */
  readonly name: string;
  /** Table pages below the top level in the model, at its exit. */
  readonly model: number;
  /** Table pages below the top level by VmPTE. */
  readonly kernel: number;
  /** The reason, as a clause; `no reason known` if there is none. */
  readonly why: string;
}

/** The comparison of the model's processes with the VmPTE file of the workload. */
export interface Agreement {
  /**
   * Number of processes compared: those of the VmPTE file without perf's own. If only a part of the trace is replayed, those whose exit
   * is in it.
   */
  readonly processes: number;
  /** Processes with an equal number of table pages. */
  readonly equal: number;
  /** The other processes. */
  readonly differences: readonly Difference[];
}

/** The model's record of a process at its exit. */
export interface ExitRecord {
  /** Table pages below the top level. */
  readonly tablePages: number;
  /** Information about the process that the trace lacks, as a clause; empty if nothing is known to be missing. */
  readonly why: string;
  /** Missing information that can only explain fewer table pages than Linux has; empty if there is none. */
  readonly whyFewer: string;
}

/** The shape of the machine's page tables. */
export interface TableShape {
  /** Bytes of a page, and of a table. */
  readonly pageBytes: number;
  /** Pages that a last-level table maps. */
  readonly tablePages: number;
}

/** Assumed maximum of the argument and environment strings that execve writes to the stack. */
const ARGUMENT_BYTES = 128 * 1024;

/**
 * The most important information about a program that the trace lacks.
 * @param program - the program
 * @param lost - number of events that perf has lost so far
 * @returns a clause; empty if nothing is known to be missing
 */
export function unknownOf(program: Program, lost: number): string {
  const { fromBefore, lostBefore, refused, unexplained, calledClone3, lockedAll, threaded } = program;
  if (fromBefore) return "it started before the recording";
  if (lost > lostBefore) return `perf lost ${lost - lostBefore} events while it ran`;
  if (refused > 0) return `the model refused ${refused} of its system calls`;
  if (unexplained > 0) return `${unexplained} of its faults are outside every mapping in the trace`;
  if (calledClone3) return "it called clone3, and the struct with the flags is not in the trace";
  if (lockedAll) return "mlockall filled mappings of execve, and their sizes are not in the trace";
  if (threaded) return "its threads may have faulted after VmPTE was read";
  return "";
}

/**
 * The missing information about a program's stack: execve fills its top without a fault.
 * @param program - the program
 * @param shape - the shape of the machine's tables
 * @returns a clause if that part may need one more table, else empty
 */
export function unknownStackOf({ stackPage }: Program, { tablePages, pageBytes }: TableShape): string {
  const nearEnd = stackPage !== undefined && stackPage % tablePages >= tablePages - ARGUMENT_BYTES / pageBytes;
  return nearEnd ? "the strings that execve wrote to its stack are not in the trace and may need one more table" : "";
}

/**
 * Compares the model's processes with a VmPTE file.
 * @param account - the records of the VmPTE file
 * @param exits - the model's processes at their exit, by pid; a reused pid has several records
 * @param whole - whether the whole trace was replayed. If not, processes without an exit and reused pids are not compared.
 * @param lacks - clauses about events that the whole recording lacks; the first explains every difference
 * @param pageBytes - bytes of a table page
 */
export function compareWithLinux(
  account: readonly VmpteRecord[],
  exits: ReadonlyMap<number, readonly ExitRecord[]>,
  whole: boolean,
  lacks: readonly string[],
  pageBytes: number,
): Agreement {
  const seen = new Map<number, number>();
  const all = account.filter(({ name, pid }) => name !== "perf" || exits.has(pid));
  const times = new Map<number, number>();
  for (const { pid } of all) times.set(pid, (times.get(pid) ?? 0) + 1);
  const records = whole ? all : all.filter(({ pid }) => exits.has(pid) && times.get(pid) === 1);
  const differences: Difference[] = [];
  for (const { pid, name, vmpteKb } of records) {
    const index = seen.get(pid) ?? 0;
    seen.set(pid, index + 1);
    const exit = exits.get(pid)?.[index];
    const kernel = (vmpteKb * 1024) / pageBytes;
    if (exit?.tablePages === kernel) continue;
    differences.push({ pid, name, model: exit?.tablePages ?? 0, kernel, why: whyOf(exit, kernel, lacks) });
  }
  return { processes: records.length, equal: records.length - differences.length, differences };
}

/** The reason of a difference. */
function whyOf(exit: ExitRecord | undefined, kernel: number, lacks: readonly string[]): string {
  if (exit === undefined) return "the trace has no exit_group of it";
  const { tablePages, why, whyFewer } = exit;
  const known = lacks[0] ?? (why || (tablePages < kernel ? whyFewer : ""));
  return known === "" ? "no reason known" : known;
}
