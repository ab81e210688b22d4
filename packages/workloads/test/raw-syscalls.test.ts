import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { embeddedTrace } from "../src/node/index.js";
import { type Abi, SYSCALL_NUMBERS } from "../src/reader/syscall-numbers.js";
import { type PlainEvent, readText, unpack } from "./perf-script-oracle.js";

const recording = Buffer.from(unpack(embeddedTrace.trace)).toString("latin1").trimEnd().split("\n");

/** Numbers of the recording's calls on x86-64 (man 2 syscalls, asm/unistd_64.h). */
const X86_64: Readonly<Record<string, number>> = {
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  brk: 12,
  mremap: 25,
  madvise: 28,
  clone: 56,
  fork: 57,
  vfork: 58,
  execve: 59,
  exit_group: 231,
  clone3: 435,
};

const CALL = /syscalls:sys_(enter|exit)_(\w+): (.*)$/;

/** Converts a system call's line to `raw_syscalls`: six hexadecimal arguments without 0x; a signed decimal result. */
function byNumber(line: string, numbers: Readonly<Record<string, number>>): string {
  const [, which, call = "", rest = ""] = CALL.exec(line) ?? [];
  const number = numbers[call];
  if (number === undefined) return line;
  if (which === "exit") {
    const result = BigInt.asIntN(64, BigInt(rest.trim()));
    return line.replace(CALL, `raw_syscalls:sys_exit: NR ${number} = ${result}`);
  }
  const values = Array.from(rest.matchAll(/0x([0-9a-f]+)/g), ([, digits]) => BigInt(`0x${digits!}`).toString(16));
  // The unused argument registers have leftover values.
  while (values.length < 6) values.push("7ffd3632aed0");
  return line.replace(CALL, `raw_syscalls:sys_enter: NR ${number} (${values.join(", ")})`);
}

function read(lines: readonly string[]): ReturnType<typeof readText> {
  return readText(Buffer.from(`${lines.join("\n")}\n`, "latin1"));
}

const withoutLine = (event: PlainEvent): unknown => ({ ...event, line: 0 });

describe("a recording of system calls by number", () => {
  const { events } = read(recording);

  it.each<[string, Abi, Readonly<Record<string, number>>, readonly string[]]>([
    ["without a header", "x86-64", X86_64, []],
    ["with a header of x86", "x86-64", X86_64, ["# arch : x86_64"]],
    ["with the numbers of arm64 and no header", "arm64", SYSCALL_NUMBERS.arm64, []],
    ["with a header of arm64", "arm64", SYSCALL_NUMBERS.arm64, ["# hostname : pi", "# arch : aarch64"]],
  ])("%s gives the same events as the tracepoints of the calls", (_, __, numbers, header) => {
    const lines = recording.map((line) => byNumber(line, numbers));
    const raw = read([...header, ...lines]);
    expect(raw.events.map(withoutLine)).toEqual(events.map(withoutLine));
    expect(raw.summary.unused).toEqual({});
    expect(raw.events.length).toBeGreaterThan(4000);
  });

  it("gives each call once if the recording also has its own tracepoint, in either order", () => {
    const calls = recording.filter((line) => CALL.test(line)).length;
    for (const pair of [
      (line: string): string[] => [byNumber(line, X86_64), line],
      (line: string): string[] => [line, byNumber(line, X86_64)],
    ]) {
      const both = read(recording.flatMap((line) => (CALL.test(line) ? pair(line) : [line])));
      expect(both.events.map(withoutLine)).toEqual(events.map(withoutLine));
      expect(both.summary.unused).toEqual({ "system call recorded by a second event": calls });
    }
  });

  it("counts calls that are not used and calls that were skipped; a damaged call is an error", () => {
    const start = "  sh 7 [000] 1.000000: raw_syscalls:sys_";
    const good = `${start}enter: NR 12 (0, 0, 0, 0, 0, 7ffd3632aed0)\n`;
    const others = `${start}enter: NR 257 (0, 1, 2, 3, 4, 5)\n${start}exit: NR 257 = -2\n${start}enter: NR -1 (0, 0, 0, 0, 0, 0)\n`;
    const mmap = `${start}enter: NR 9 (0, 1000, 3, 22, ffffffff, 0)\n${start}exit: NR 9 = -12\n`;
    const { events: read, summary } = readText(`${mmap}${others}${good}`);
    expect(read.map(({ args }) => args[0])).toEqual([0n, BigInt.asUintN(64, -12n), 0n]);
    expect(summary.unused).toEqual({ "raw_syscalls:sys_enter": 2, "raw_syscalls:sys_exit": 1 });
    for (const damaged of ["enter: NR 9 (0, 1000, 3", "enter: NR 9 (0, 1000, 3, 22, zz, 0)", "exit: NR 9 =", "exit: 9"])
      expect(() => readText(`${good}${start}${damaged}\n`)).toThrow(
        expect.objectContaining({ code: "ERR_TRACE_LINE", where: "trace.txt:2" }),
      );
  });
});

describe("a 32-bit process", () => {
  const call = (tid: number, number: number, args: string, result: number): string[] => {
    const values = args.split(" ");
    while (values.length < 6) values.push("0");
    return [
      `  sh ${tid} [000] 1.000000: raw_syscalls:sys_enter: NR ${number} (${values.join(", ")})`,
      `  sh ${tid} [000] 1.000000: raw_syscalls:sys_exit: NR ${number} = ${result}`,
    ];
  };
  const names = (lines: readonly string[]): string[] =>
    read(lines).events.map(({ tid, event }) => `${tid} ${event.replace(/.*:(sys_)?/, "")}`);
  const wide = call(7, 9, "0 2000 3 22 ffffffff 7ffd3632aed0", 0x7f00_0000_0000);

  it("has the numbers of i386 from its first call with plausible arguments, and so have its threads", () => {
    const lines = [
      ...wide,
      ...call(8, 192, "0 2000 3 22 ffffffff 0", 0xf7f3_b000),
      "  sh 8 [000] 1.000000: sched:sched_process_fork: comm=sh pid=8 child_comm=sh child_pid=9",
      ...call(9, 91, "f7f3b000 1000", 0),
      ...call(9, 125, "f7f3c000 1000 1", 0),
      ...call(8, 90, "ffd01000", 0xf7f3_0000),
    ];
    expect(names(lines)).toEqual([
      "7 enter_mmap",
      "7 exit_mmap",
      "8 enter_mmap",
      "8 exit_mmap",
      "8 sched_process_fork",
      "9 enter_munmap",
      "9 exit_munmap",
      "9 enter_mprotect",
      "9 exit_mprotect",
    ]);
    expect(read(lines).summary.unused).toMatchObject({ "mmap of i386 with its arguments in memory": 2 });
  });

  it("begins and ends with execve, whose exit has the number of the new program's ABI", () => {
    const [entry] = call(7, 59, "7ffd3632aed0 1 2", 0);
    const [, narrow] = call(7, 11, "0", 0);
    const [back] = call(7, 11, "5655a000 1 2", 0);
    const [, wideAgain] = call(7, 59, "0", 0);
    const lines = [
      ...wide,
      entry!,
      narrow!,
      ...call(7, 45, "0", 0x5655_a000),
      back!,
      wideAgain!,
      ...call(7, 12, "0", 0),
    ];
    expect(names(lines).map((name) => name.slice(2))).toEqual([
      "enter_mmap",
      "exit_mmap",
      "enter_execve",
      "exit_execve",
      "enter_brk",
      "exit_brk",
      "enter_execve",
      "exit_execve",
      "enter_brk",
      "exit_brk",
    ]);
  });

  it("on arm64 has the numbers of arm", () => {
    const lines = [
      "# arch : aarch64",
      ...call(8, 192, "0 2000 3 22 ffffffff 0", 0xf7f3_b000),
      ...call(8, 220, "f7f3b000 1000 4", 0),
      `  sh 8 [000] 1.000000: raw_syscalls:sys_enter: NR 248 (0, 0, 0, 0, 0, 0)`,
    ];
    expect(names(lines)).toEqual([
      "8 enter_mmap",
      "8 exit_mmap",
      "8 enter_madvise",
      "8 exit_madvise",
      "8 enter_exit_group",
    ]);
  });
});

describe("the numbers of system calls", () => {
  it.each<[Abi, string]>([
    ["x86-64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"],
    ["i386", "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"],
    ["arm64", "/usr/include/asm-generic/unistd.h"],
  ])("of %s are those in the C library's headers (needs %s)", (abi, path) => {
    if (!existsSync(path)) return;
    const header = readFileSync(path, "utf8");
    for (const [call, number] of Object.entries(SYSCALL_NUMBERS[abi])) {
      const [, found] = new RegExp(`#define __NR(?:3264)?_${call} (\\d+)`).exec(header) ?? [];
      if (found !== undefined) expect([call, Number(found)]).toEqual([call, number]);
    }
  });
});
