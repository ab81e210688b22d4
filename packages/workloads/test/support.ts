import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { oddArch } from "../../../examples/odd-arch/src/index.js";
import { replayFile } from "../src/node/index.js";
import type { ReplayFileOptions } from "../src/node/index.js";
import type { ReplayResult } from "../src/index.js";

/** Bytes of a page of the example architecture. */
export const PAGE = 0x4000;
/** An address in its mmap area, at the start of a last-level table. */
export const AREA = 0x3f00_0000_0000;
/** An address in its stack area. */
export const STACK = 0x3fff_e000_0000;

/** A small machine of the example architecture. */
export function machine(): Machine {
  const spec = { ...DEFAULT_SPEC, arch: oddArch.id, features: [], memory: [{ bytes: 96 * 1024 * 1024 }] };
  return buildMachine(spec, createPluginRegistry([oddArch]));
}

/** CPU time of some work in seconds. It does not depend on the load of the machine. */
export function processorSeconds(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** A line of perf script without its time. {@link recording} adds the time. */
export type Line = readonly [tid: number, event: string];

const hex = (value: number): string => `0x${value.toString(16)}`;

/** The entry and the exit of a call. */
export function call(tid: number, name: string, args: Readonly<Record<string, number>>, result: number): Line[] {
  const entered = Object.entries(args).map(([label, value]) => `${label}: ${hex(value)}`);
  const returned = result < 0 ? `0x${(2n ** 64n + BigInt(result)).toString(16)}` : hex(result);
  return [
    [tid, `syscalls:sys_enter_${name}: ${entered.join(", ")}`],
    [tid, `syscalls:sys_exit_${name}: ${returned}`],
  ];
}

/** A call of mmap for private anonymous memory. */
export function mmap(tid: number, address: number, pages: number, flags = 0x22): Line[] {
  return call(tid, "mmap", { addr: 0, len: pages * PAGE, prot: 3, flags, fd: 0, off: 0 }, address);
}

/** A user fault; a write without an error code. */
export function fault(tid: number, address: number, code = 6): Line {
  return [tid, `exceptions:page_fault_user: address=${hex(address)} ip=0x1000 error_code=${hex(code)}`];
}

/** execve of a thread. A thread that is not the leader has its own tid in `former` and that of the leader in `tid`. */
export function exec(tid: number, former = tid): Line {
  return [tid, `sched:sched_process_exec: filename=/bin/prog pid=${tid} old_pid=${former}`];
}

/** The fork event of the thread's last call. */
export function fork(tid: number, child: number): Line {
  return [tid, `sched:sched_process_fork: comm=prog pid=${tid} child_comm=prog child_pid=${child}`];
}

/** exit_group and the exit event. @param group - `group_dead` of the exit */
export function exit(tid: number, group = true): Line[] {
  return [
    [tid, "syscalls:sys_enter_exit_group: error_code: 0x0"],
    [tid, `sched:sched_process_exit: comm=prog pid=${tid} prio=120 group_dead=${group}`],
  ];
}

/** Writes a file with the given name. @returns its path */
export function file(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-")), name);
  writeFileSync(path, text);
  return path;
}

/** Writes a recording in the form of perf script. @returns its path */
export function recording(...lines: readonly Line[]): string {
  const text = lines.map(([tid, event], i) => `  prog ${tid} [000] ${(i / 1000 + 1).toFixed(6)}: ${event}\n`);
  return file("made.perf-script.txt", text.join(""));
}

/** Replays a recording, by default on a small machine of the example architecture. */
export function replay(
  lines: readonly Line[],
  options: ReplayFileOptions = {},
  on: Machine = machine(),
): Promise<ReplayResult> {
  return replayFile(on, recording(...lines), options);
}

/** Replays a recording and compares it with Linux: pid and number of table pages of each process. */
export async function compare(
  lines: readonly Line[],
  ...processes: (readonly [number, number])[]
): Promise<NonNullable<ReplayResult["linux"]>> {
  const account = processes.map(([pid, tables]) => `${pid} 1 prog ${(tables * PAGE) / 1024} 0 0\n`);
  const { linux } = await replay(lines, { vmpte: file("made.vmpte.txt", account.join("")) });
  return linux!;
}
