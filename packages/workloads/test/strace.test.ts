import { constants, platform } from "node:os";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { KpkeysError } from "@kpkeys/core";
import { describe, expect, it } from "vitest";
import { ERROR_NUMBERS } from "../src/reader/strace-names.js";
import { expectAccounted, readText } from "./perf-script-oracle.js";
import { processorSeconds } from "./support.js";

interface Read {
  readonly events: readonly string[];
  readonly unused: Readonly<Record<string, number>>;
}

const word = (value: bigint): string => (BigInt.asIntN(64, value) < 0n ? BigInt.asIntN(64, value) : value).toString();

/** Reads lines and checks that each is in one count. An event is `thread name(arguments)`. */
function read(...lines: readonly string[]): Read {
  const { events, summary } = readText(`${lines.join("\n")}\n`);
  expect(summary.lines).toBe(lines.length);
  expectAccounted(summary);
  return {
    events: events.map(
      ({ event, tid, args }) => `${tid} ${event.replace(/.*:(sys_)?/, "")}(${args.map(word).join(", ")})`,
    ),
    unused: summary.unused,
  };
}

/** The events without their arguments. */
const names = ({ events }: Read): string[] => events.map((event) => event.replace(/\(.*/, ""));

function refusal(...lines: readonly string[]): KpkeysError {
  try {
    readText(`${lines.join("\n")}\n`);
  } catch (error) {
    if (error instanceof KpkeysError) return error;
    throw error;
  }
  throw new Error("it was read");
}

describe("the lines of strace", () => {
  const CALL = "munmap(0x7f0000000000, 8192) = 0";
  const EVENTS = (tid: number): string[] => [`${tid} enter_munmap(139637976727552, 8192)`, `${tid} exit_munmap(0)`];

  it.each([
    ["4100<sh> ", 4100],
    ["4100<CPU 0/KVM> 1700000000.000100 ", 4100],
    ["[pid  4100<a] b>] 12:00:00 ", 4100],
    ["4100<x> 1.000000 y> 1700000000.000100 ", 4100],
    ["4100<> ", 4100],
    ["1 /* 4100 in strace's PID NS */ ", 4100],
    ["[pid 4100] ", 4100],
    ["1700000000.000100 ", 0],
    ["1700000000 ", 0],
    ["     0.000123 ", 0],
    ["12:00:00.000100 (+     0.000123) [  11] [00007f55d1e57c47] ", 0],
  ])("may begin with '%s'", (prefix, tid) => {
    expect(read(`${prefix}${CALL}`).events).toEqual(EVENTS(tid));
  });

  it("have times of day, times since 1970 or times since the line before", () => {
    const timesOf = (...lines: readonly string[]): number[] =>
      readText(`${lines.join("\n")}\n`)
        .events.filter(({ event }) => event.includes("enter"))
        .map(({ time }) => time);
    expect(timesOf(`1700000000.5 ${CALL}`, `1700000001 ${CALL}`)).not.toEqual([]);
    expect(timesOf(`00:01:00.250000 ${CALL}`)).toEqual([60.25e9]);
    expect(timesOf(`4100       0.500000 ${CALL}`, `4100       0.250000 ${CALL}`)).toEqual([0.5e9, 0.75e9]);
    expect(timesOf(`4100  1700000000.000001000 ${CALL}`)).toEqual([1700000000000001000]);
    expect(timesOf(CALL)).toEqual([Number.NaN]);
  });

  it("that are not calls are counted by description", () => {
    const { unused, events } = read(
      "strace: Process 7 attached",
      CALL,
      "[ Process PID=7 runs in 32 bit mode. ]",
      " > /usr/lib/libc.so.6(brk+0xb) [0x1e2b3]",
      "--- SIGCHLD {si_signo=SIGCHLD} ---",
      "# a comment",
      "",
      'write(2, "hello\\n", 6hello',
      ") = 6",
      "hello",
      "strace: Process 7 detached",
      "Process 7 resumed (parent 6 ready)",
    );
    expect(events).toEqual(EVENTS(7));
    expect(unused).toEqual({
      "message of strace": 4,
      "call chain": 1,
      signal: 1,
      "call without its end": 1,
      "end of a call without its beginning": 1,
      "not a line of strace": 1,
    });
  });

  it("may have calls named like properties of objects", () => {
    expect(read("brk(NULL) = 0x1000", "constructor() = 0", "toString(1) = 0", "__proto__(1) = 0").unused).toEqual(
      Object.fromEntries([
        ["constructor", 1],
        ["toString", 1],
        ["__proto__", 1],
      ]),
    );
  });
});

describe("the calls that strace prints", () => {
  it("have the names of 32-bit machines, and the structure of the oldest mmap", () => {
    const arguments_ = "NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0x1000";
    const events = ["0 enter_mmap(0, 8192, 1, 2, 3, 4096)", "0 exit_mmap(4142977024)"];
    for (const name of ["mmap", "mmap2", "old_mmap"])
      expect(read(`${name}(${arguments_}) = 0xf6f0d000`).events).toEqual(events);
    const structure = "{addr=NULL, len=8192, prot=PROT_READ, flags=MAP_PRIVATE, fd=3, offset=0x1000}";
    expect(read(`old_mmap(${structure}) = 0xf6f0d000`).events).toEqual(events);
    expect(read("brk(NULL) = 0x1000", "mmap(0x1) = -1 EFAULT (Bad address)").unused).toEqual({ mmap: 1 });
  });

  it("have names and numbers for bits, huge page sizes and files", () => {
    expect(
      read(
        "mmap(0x10000, 18446744073709551615, PROT_READ|0x10000000, MAP_SHARED|0x800|21<<MAP_HUGE_SHIFT, 3</a,b=c>, 0) = 0x10000",
      ).events[0],
    ).toBe(`0 enter_mmap(65536, -1, 268435457, ${0x801 + 21 * 2 ** 26}, 3, 0)`);
    expect(read("mprotect(0x1000, 4096, 0x8 /* PROT_??? */) = 0").events[0]).toBe("0 enter_mprotect(4096, 4096, 8)");
    expect(read("mprotect(0x1000, 0x1000, 0x3 /* PROT_READ|PROT_WRITE */) = 0").events[0]).toBe(
      "0 enter_mprotect(4096, 4096, 3)",
    );
  });

  it("of mlock2 have its flags", () => {
    const { events } = read("mlock2(0x1000, 4096, 0) = 0", "mlock2(0x1000, 4096, MLOCK_ONFAULT) = 0");
    expect(events).toEqual([
      "0 enter_mlock2(4096, 4096, 0)",
      "0 exit_mlock2(0)",
      "0 enter_mlock2(4096, 4096, 1)",
      "0 exit_mlock2(0)",
    ]);
  });

  it("end with error numbers", () => {
    if (platform() === "linux") {
      const theirs = Object.entries(constants.errno).filter(([name]) => ERROR_NUMBERS.has(name));
      expect(theirs.length).toBeGreaterThan(70);
      expect(theirs.map(([name]) => [name, ERROR_NUMBERS.get(name)])).toEqual(theirs);
    }
    expect(read("munmap(0x1, 1) = -1 EINVAL (Invalid argument)").events[1]).toBe("0 exit_munmap(-22)");
    expect(read("munmap(0x1, 1) = -1 (errno 131)").events[1]).toBe("0 exit_munmap(-131)");
  });

  it("advise another process, or the ranges of the own process up to the bytes in the result", () => {
    const vector = "[{iov_base=0x1000, iov_len=4096}, {iov_base=0x3000, iov_len=8192}]";
    const advise = (pidfd: string, result: string): string =>
      `7 process_madvise(${pidfd}, ${vector}, 2, MADV_COLD, 0) = ${result}`;
    const own = [
      "7 enter_madvise(4096, 4096, 20)",
      "7 exit_madvise(0)",
      "7 enter_madvise(12288, 8192, 20)",
      "7 exit_madvise(0)",
    ];
    const other = ["7 enter_process_madvise(0, 0, 2, 20, 0)", "7 exit_process_madvise(12288)"];
    expect(read("7 pidfd_open(7, 0) = 3<anon_inode:[pidfd]>", advise("3<anon_inode:[pidfd]>", "12288")).events).toEqual(
      own,
    );
    expect(read(advise("3<pid:7>", "12288")).events).toEqual(own);
    expect(read(advise("-10000", "4096")).events).toEqual(own.slice(0, 2));
    expect(read(advise("3<pid:8>", "12288")).events).toEqual(other);
    expect(read("7 pidfd_open(7, 0) = 3", "7 close(3) = 0", advise("3", "12288")).events).toEqual(other);
    expect(read("7 pidfd_open(8, 0) = 3", advise("3", "12288")).events).toEqual(other);
  });

  it.each([
    ["mprotect(0x1000, 40z6, PROT_READ) = 0", 2],
    ["mprotect(0x1000) = 0", 2],
    ["mprotect(0x1000, 4096, PROT_READ, 1) = 0", 2],
    ["mprotect(0x1000, 4096, PROT_REED) = 0", 2],
    ["mprotect(0x1000, 4096, MAP_SHARED) = 0", 2],
    ["mprotect(0x1000, 4096, ) = 0", 2],
    ["mmap(NULL,, MAP_PRIVATE, 3, 1) = 0x7f0000000000", 2],
    ["mmap(NULL, 18446744073709551616, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000", 2],
    ["mmap(0x1) = 0x7f0000000000", 2],
    ["mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED) = 0x1000", 2],
    ["clone(child_stack=NULL, flags=CLONE_VMM|SIGCHLD) = 8", 2],
    ["brk(0x5) = 0x5z", 2],
    [`munmap(0x1, 2) = 0x${"1".repeat(4000)}=`, 2],
    ["munmap(0x1, 2) = -1 EWHAT (What)", 2],
    ["process_madvise(3, [{iov_base=0x1000}], 1, MADV_COLD, 0) = 4096", 2],
  ])("are an error at their line if they are damaged: %s", (line, at) => {
    expect(refusal("brk(NULL) = 0x1000", line)).toMatchObject({ code: "ERR_TRACE_LINE", where: `trace.txt:${at}` });
  });

  it("on two lines are an error at the damaged line", () => {
    expect(refusal("brk(NULL) = 0x1", "mlock(0x1, 4z <unfinished ...>", "<... mlock resumed>) = 0").where).toBe(
      "trace.txt:2",
    );
    expect(refusal("brk(NULL) = 0x1", "mlock(0x1, 4 <unfinished ...>", "<... mlock resumed>) = z").where).toBe(
      "trace.txt:3",
    );
  });
});

describe("calls that do not end on their line", () => {
  it("are counted if they have no end", () => {
    const { events, unused } = read(
      "1 brk(NULL) = 0x1000",
      "1 munmap(0x1000, 4096 <unfinished ...>",
      "1 futex(0x1, FUTEX_WAIT <unfinished ...>",
      "2 brk(NULL <unfinished ...>",
      "2 +++ killed by SIGKILL +++",
      "3 <... brk resumed>) = 0x1000",
      "4 brk(NULL <unfinished ...>",
      "4 <... munmap resumed>) = 0",
      "5 munmap(0x1000, 4096",
      "6 munmap(0x1000, 4096) = ? ERESTARTSYS (To be restarted)",
      "6 munmap(0x1000, 4096 <unfinished ...>) = ?",
    );
    expect(events).toEqual(["1 enter_brk(0)", "1 exit_brk(4096)", "2 sched_process_exit(2, -1)"]);
    expect(unused).toEqual({ "call without its end": 7, "end of a call without its beginning": 2 });
  });

  it("give the event of exit_group at their beginning", () => {
    const text = read(
      "1 brk(NULL) = 0x1",
      "1 exit_group(0 <unfinished ...>",
      "2 brk(NULL) = 0x2",
      "1 <... exit_group resumed>) = ?",
    );
    expect(names(text)).toEqual(["1 enter_brk", "1 exit_brk", "1 enter_exit_group", "2 enter_brk", "2 exit_brk"]);
    const killed = read(
      "1 exit_group(3 <unfinished ...>) = ?",
      "2 futex(0x1, 1 <unfinished ...>",
      "2 <... futex resumed> <unfinished ...>) = ?",
    );
    expect(killed).toEqual({ events: ["1 enter_exit_group(3)"], unused: { futex: 2 } });
  });

  it("may be interrupted by a message about a child", () => {
    const text = read(
      "vfork(strace: Process 8 attached",
      " <unfinished ...>",
      '[pid     8] execve("/bin/a) = 0", ["a"], 0x1 /* 2 vars */ <unfinished ...>',
      "[pid     7] <... vfork resumed>) = 8",
      "[pid     8] <... execve resumed>) = 0",
      "[pid     7] +++ exited with 0 +++",
      "brk(NULL) = 0x1000",
    );
    expect(names(text)).toEqual([
      "0 enter_vfork",
      "0 sched_process_fork",
      "0 exit_vfork",
      "8 enter_execve",
      "8 sched_process_exec",
      "8 exit_execve",
      "0 sched_process_exit",
      "8 enter_brk",
      "8 exit_brk",
    ]);
  });

  it("of several parents give each child once", () => {
    const text = read(
      "2 munlockall() = 0",
      "1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
      "2 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
      "12 brk(NULL) = 0x1",
      "2 <... clone resumed>) = 12",
      "1 <... clone resumed>) = 11",
      "11 brk(NULL) = 0x1",
    );
    expect(text.events.filter((event) => event.includes("fork")).map((event) => event.replace(/.*, /, ""))).toEqual([
      "12)",
      "11)",
    ]);
  });

  it("may have a child with another pid in its PID namespace", () => {
    const before = "1 clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD";
    expect(read(`${before}) = 2 /* 14452 in strace's PID NS */`).events[1]).toBe("1 sched_process_fork(1, 14452)");
    expect(read(`${before}) = 2<a b> /* 14452 in strace's PID NS */`).events[1]).toBe("1 sched_process_fork(1, 14452)");
    const seen = read(`${before} <unfinished ...>`, "14452 brk(NULL) = 0x1", "1 <... clone resumed>) = 2");
    expect(names(seen).filter((event) => event.includes("fork"))).toEqual(["1 sched_process_fork"]);
  });
});

describe("execve by a thread", () => {
  it("ends the other threads of its process and gets the tid of the leader", () => {
    const thread = (child: number): string =>
      `7 clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x1} => {parent_tid=[${child}]}, 88) = ${child}`;
    const { events, unused } = read(
      "6 fork() = 5",
      thread(8),
      thread(9),
      '9 execve("/bin/true", ["true"], 0x1 /* 3 vars */ <unfinished ...>',
      "7 pause( <unfinished ...>",
      "7 <... pause resumed>) = ?",
      "7 +++ superseded by execve in pid 9 +++",
      "7 <... execve resumed>) = 0",
      "8 brk(NULL) = 0x1",
    );
    expect(events.filter((event) => /exec|exit\(/.test(event))).toEqual([
      "7 sched_process_exit(8, -1)",
      "7 enter_execve(0, 0, 0)",
      "7 sched_process_exec(7, 9)",
      "7 exit_execve(0)",
    ]);
    expect(unused).toEqual({ pause: 2 });
  });
});

describe("a hostile text of strace takes linear time", () => {
  const LINES = 60_000;
  const many = (line: (n: number) => string): string =>
    Array.from({ length: LINES }, (_, n) => `${line(n + 1)}\n`).join("");

  it.each<[string, (n: number) => string]>([
    ["clones of as many threads", (n) => `${n} clone(flags=0 <unfinished ...>`],
    [
      "clones, then as many children",
      (n) =>
        n <= LINES / 2
          ? `1 fork() = ${n + LINES}\n${n + LINES} fork( <unfinished ...>`
          : `${n + 9 * LINES} brk(NULL) = 0x1`,
    ],
  ])("with unfinished %s", (_, line) => {
    const text = `brk(NULL) = 0x1\n${many(line)}`;
    const seconds = processorSeconds(() => {
      const { summary } = readText(text);
      expect(summary.eventLines).toBe(summary.lines);
    });
    expect(seconds).toBeLessThan(20);
  });

  it.each([
    ["results", `1 munmap(0x1, 2) ${")= ".repeat(1300)}`],
    ["hexadecimal digits", `1 foo(0x1, 2) = 0x${"1".repeat(3900)}=`],
    ["brackets of a comm", `1<${"a> ".repeat(1300)}`],
    ["names of files", `1 mmap(${"3<a".repeat(1300)}`],
    ["comments", `1 mmap(${"/*".repeat(1900)}`],
    ["quotes", `1 mmap(${'"'.repeat(3901)}`],
    ["parentheses", `1 foo(${") ".repeat(1900)}`],
    ["spaces", `${" ".repeat(3900)}x`],
    ["messages", "strace: Process 1 attache".repeat(150)],
    ["broken lines", `1 brk(${"x".repeat(3900)}strace: Process 1 attached`],
  ])("with lines of %s", (_, line) => {
    const text = `brk(NULL) = 0x1\n${`${line}\n`.repeat(2000)}`;
    expect(processorSeconds(() => readText(text))).toBeLessThan(20);
  });
});

const shared = fileURLToPath(new URL("../../../../shared/cases/", import.meta.url));

describe.skipIf(!existsSync(shared))("recordings from users", () => {
  it.each([
    ["16-strace-decode-pids-brackets.txt", "16-control.txt"],
    ["18-strace-32bit.txt", "18-control.txt"],
  ])("%s gives the events of %s", (name, control) => {
    const [one, other] = [name, control].map((file) => readText(readFileSync(shared + file)));
    expect(one!.events).toEqual(other!.events);
    expect(one!.summary.unused).toEqual(other!.summary.unused);
  });
});
