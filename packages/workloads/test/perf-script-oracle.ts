import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect } from "vitest";
import { EventKind, eventNames, type TraceEvent, TraceReader, type TraceSummary } from "../src/index.js";
import { readTrace } from "../src/node/index.js";

/** An event as plain values, from the oracle or from the reader. */
export interface PlainEvent {
  readonly line: number;
  readonly event: string;
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  readonly time: number;
  readonly args: readonly bigint[];
  readonly text: string;
}

/** Number of arguments of the events that are not system calls. */
const ARGUMENT_COUNT: Partial<Record<EventKind, number>> = {
  [EventKind.page_fault_user]: 3,
  [EventKind.page_fault_kernel]: 3,
  [EventKind.page_fault]: 1,
  [EventKind.sched_process_fork]: 2,
  [EventKind.sched_process_exec]: 2,
  [EventKind.sched_process_exit]: 2,
  [EventKind.sched_switch]: 3,
};

/** Number of arguments of a system call's entry, from its manual page. */
const SYSCALL_ARGUMENTS: Readonly<Record<string, number>> = {
  mmap: 6,
  munmap: 2,
  mprotect: 3,
  mremap: 5,
  brk: 1,
  madvise: 3,
  clone: 5,
  clone3: 2,
  fork: 0,
  vfork: 0,
  execve: 3,
  mlock: 2,
  munlock: 2,
  mlockall: 1,
  munlockall: 0,
  shmat: 3,
  shmdt: 1,
  remap_file_pages: 5,
  process_madvise: 5,
  mlock2: 3,
  exit_group: 1,
};

function argumentCount(kind: EventKind): number {
  const syscall = /sys_(enter|exit)_(\w+)/.exec(eventNames[kind]!);
  if (syscall?.[1] === "exit") return 1;
  return syscall === null ? ARGUMENT_COUNT[kind]! : SYSCALL_ARGUMENTS[syscall[2]!]!;
}

/** @returns a copy of an event's values; the reader reuses the record */
export function plain(event: TraceEvent): PlainEvent {
  const args = Array.from({ length: argumentCount(event.kind) }, (_, slot) =>
    BigInt.asUintN(64, (BigInt(event.argHigh[slot]!) << 32n) | BigInt(event.argLow[slot]! >>> 0)),
  );
  const { line, tid, cpu, time } = event;
  return { line, event: eventNames[event.kind]!, comm: event.comm(), tid, cpu, time, args, text: event.text() };
}

/** @returns the number of unused lines */
export function unusedOf({ unused }: Pick<TraceSummary, "unused">): number {
  return Object.values(unused).reduce((sum, count) => sum + count, 0);
}

/** Checks that every line is in one count. */
export function expectAccounted(summary: TraceSummary): void {
  const { lines, eventLines, comments, blanks } = summary;
  expect(eventLines + comments + blanks + unusedOf(summary)).toBe(lines);
}

/** Reads text in chunks of a size. */
export function readText(text: string | Uint8Array, chunk = 1 << 16): { events: PlainEvent[]; summary: TraceSummary } {
  const events: PlainEvent[] = [];
  const reader = new TraceReader("trace.txt", (event) => events.push(plain(event)));
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.subarray(at, at + chunk));
  return { events, summary: reader.finish() };
}

const signed = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
const hex = (text: string): bigint[] => Array.from(text.matchAll(/0x([0-9a-f]+)/g), (match) => BigInt(match[0]));

/** Reads the arguments of a line with regular expressions. */
function oracleArguments(event: string, text: string): Pick<PlainEvent, "args" | "text"> {
  const groups = (pattern: RegExp): string[] => pattern.exec(text)!.slice(1);
  if (event.startsWith("syscalls:")) return { args: hex(text), text: "" };
  if (event.startsWith("exceptions:")) {
    const [address, ip, code] = groups(/^address=(\S+) ip=(\S+) error_code=(\S+)$/) as [string, string, string];
    const symbolic = !ip.startsWith("0x");
    return { args: [BigInt(address), symbolic ? 0n : BigInt(ip), BigInt(code)], text: symbolic ? ip : "" };
  }
  if (event === "sched:sched_process_fork") {
    const [pid, name, child] = groups(/^comm=.* pid=(\d+) child_comm=(.*) child_pid=(\d+)$/s) as [
      string,
      string,
      string,
    ];
    return { args: [BigInt(pid), BigInt(child)], text: name };
  }
  if (event === "sched:sched_process_exec") {
    const [name, pid, old] = groups(/^filename=(.*) pid=(\d+) old_pid=(\d+)$/s) as [string, string, string];
    return { args: [BigInt(pid), BigInt(old)], text: name };
  }
  if (event === "sched:sched_process_exit") {
    const [pid, dead] = groups(/^comm=.* pid=(\d+) prio=-?\d+(?: group_dead=(true|false))?$/s) as [string, string?];
    return { args: [BigInt(pid), signed(dead === undefined ? -1 : Number(dead === "true"))], text: "" };
  }
  const [prev, state, name, next] = groups(
    /^prev_comm=.* prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) ==> next_comm=(.*) next_pid=(\d+) next_prio=-?\d+$/s,
  ) as [string, string, string, string];
  const preempted = state.endsWith("+") ? 1n << 32n : 0n;
  return { args: [BigInt(prev), preempted | BigInt(state.charCodeAt(0)), BigInt(next)], text: name };
}

/**
 * Reads padded lines with regular expressions. It shares no code with the reader.
 *
 * @param text - lines of known events only, comms padded to 16 bytes, of ASCII or Latin characters
 */
export function oracle(text: Uint8Array): PlainEvent[] {
  const lines = Buffer.from(text).toString("latin1").trimEnd().split("\n");
  const utf8 = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8");
  return lines.map((content, index) => {
    const match = /^([^]{16}) +(\d+) \[(\d+)\] +(\d+)\.(\d{6}): +(\w+:\w+): ([^]*)$/.exec(content);
    if (match === null) throw new Error(`the oracle cannot read line ${index + 1}: ${content}`);
    const [, comm, tid, cpu, seconds, micros, event, rest] = match as unknown as string[] & Record<number, string>;
    const { args, text: name } = oracleArguments(event!, rest!);
    return {
      line: index + 1,
      event: event!,
      comm: utf8(comm!.replace(/^ +/, "")),
      tid: Number(tid),
      cpu: Number(cpu),
      time: Number(`${seconds!}${micros!}000`),
      args,
      text: utf8(name),
    };
  });
}

/** @returns the text of a gzip file */
export function unpack(path: string): Uint8Array {
  return gunzipSync(readFileSync(path));
}

/** @returns the path of a file in testdata */
export function testdata(name: string): string {
  return fileURLToPath(new URL(`../testdata/${name}`, import.meta.url));
}

const shared = fileURLToPath(new URL("../../../../shared/traces/", import.meta.url));

/** @returns the path of a reference trace, or undefined if it does not exist */
export function sharedTrace(name: string): string | undefined {
  return existsSync(shared + name) ? shared + name : undefined;
}

/** Reads a file of known events and compares every field of every event with the oracle. */
export async function agreesWithOracle(path: string): Promise<number> {
  const expected = oracle(unpack(path));
  let index = 0;
  const wrong: [PlainEvent, PlainEvent | undefined][] = [];
  const summary = await readTrace(path, (event) => {
    const got = plain(event);
    const want = expected[index++];
    if (JSON.stringify(got, bigints) !== JSON.stringify(want, bigints)) wrong.push([got, want]);
  });
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(index).toBe(expected.length);
  expect(summary).toMatchObject({ events: expected.length, lines: expected.length, unused: {}, lost: 0 });
  return summary.events;
}

const bigints = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString(16) : value);

/** Counts events by name without parsing their arguments. */
export function countNames(text: Uint8Array): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, name] of Buffer.from(text)
    .toString("latin1")
    .matchAll(/\d: +((?:syscalls|sched|exceptions):\w+): /g)) {
    counts[name!] = (counts[name!] ?? 0) + 1;
  }
  return counts;
}
