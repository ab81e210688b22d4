import { gzipSync } from "node:zlib";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTrace } from "../src/node/index.js";
import { expectAccounted, readText } from "./perf-script-oracle.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-field-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const start = "            make  7100 [000]   812.100020: ";
const brk = `${start}syscalls:sys_enter_brk: brk: 0x00000000`;
const text = (...lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

/** Forms of `perf script` for software events: builtin-script.c prints addr with "%16x", then ip with " %16x", each with symbol and object. */
describe("perf's software events of page faults", () => {
  const at = (name: string, columns: string): string => `${start}         1 ${name.padStart(27)}: ${columns}`;
  const address = "7f1b7f322110".padStart(16);
  const ip = ` ${"55571c197214".padStart(16)}`;

  it.each([
    ["page-faults", `${address} dl_close_state.2+0x0 (/usr/lib/ld.so)${ip} main+0x10 (/usr/bin/make)`],
    ["page-faults:u", `${address} [unknown] (//anon)${ip} main+0x10 (/usr/bin/make)`],
    [
      "minor-faults:uP",
      `${address} operator new(unsigned long)+0x8 (/tmp/a b.so) ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])`,
    ],
    ["major-faults:ppp", `${address}${ip} add (/usr/bin/make)`],
    ["faults", `${address} main+0x0${ip} main+0x10`],
    ["page-faults", address],
    ["page-faults", `${address}${ip}`],
    ["page-faults", `${address} [unknown] ([unknown]) 55571c197214 main (/usr/bin/make)`],
  ])("%s: %s is a fault at 0x7f1b7f322110", (name, columns) => {
    const { events, summary } = readText(text(at(name, columns)));
    expect(events).toMatchObject([{ event: "page-faults", args: [0x7f1b7f322110n], tid: 7100, comm: "make" }]);
    expect(summary).toMatchObject({ kinds: { page_fault: 1 }, unused: {}, limits: [] });
  });

  it.each([
    ["page-faults", " ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])"],
    ["minor-faults:u", `${ip} main+0x10 (/usr/bin/make)`],
    ["page-faults", `${ip} add (/usr/bin/make)`],
    ["page-faults", ip],
    ["page-faults", ""],
  ])("%s:%s has no address of an access", (name, columns) => {
    const { summary } = readText(text(brk, at(name, columns)));
    expect(summary).toMatchObject({ events: 1, unused: { "page fault without its address": 1 } });
    expect(() => readText(text(at(name, columns)))).toThrow(
      expect.objectContaining({ code: "ERR_TRACE_EMPTY", message: expect.stringContaining("+addr") as string }),
    );
  });

  it("of one fault give one event", () => {
    const tracepoint = `${start}exceptions:page_fault_user: address=0x7f1b7f322110 ip=0x1 error_code=0x6`;
    const [all, minor, major] = ["page-faults", "minor-faults", "major-faults"].map((name) => at(name, address));
    const reads = (...lines: (string | undefined)[]): string[] =>
      readText(text(...lines.map((line) => line!))).events.map(({ line }) => String(line));
    expect(reads(all, minor, all, minor, minor)).toEqual(["1", "3", "5"]);
    expect(reads(minor, all, major, all)).toEqual(["1", "3"]);
    expect(reads(tracepoint, all, minor, tracepoint, tracepoint, all)).toEqual(["1", "4", "5"]);
    const other = (line: string | undefined): string => line!.replace("7100", "7101");
    expect(reads(all, other(all), minor, other(minor))).toEqual(["1", "2"]);
  });

  it("with a period above 1 leave the other faults without a sample", () => {
    const samples = [1, 1, 7, 250].map((period) =>
      at("page-faults", address).replace("         1", String(period).padStart(10)),
    );
    const { summary } = readText(text(...samples, `make 7100 812.100020:          4 page-faults: ${address}`));
    expect(summary).toMatchObject({ events: 5, unsampled: 6 + 249 + 3 });
    expect(summary.limits).toHaveLength(1);
  });
});

describe("columns after the arguments", () => {
  const zero = "0".padStart(16);
  const ip = ` ffffffff81775b9a do_brk+0x1 ([kernel.kallsyms])`;

  it.each([zero, zero + ip, ip, ` ${"55571c197214".padStart(16)}`, `${zero}\r`])(
    "%j are not part of the arguments",
    (columns) => {
      const lines = [
        `${start}sched:sched_process_exec: filename=/usr/bin/make pid=7100 old_pid=7100`,
        `${start}syscalls:sys_enter_munmap: addr: 0x7f1b7f322000, len: 0x00004000`,
        `${start}syscalls:sys_exit_munmap: 0x0`,
        `${start}exceptions:page_fault_user: address=0x7f1b7f322110 ip=0x1 error_code=0x6`,
        `${start}sched:sched_process_fork: comm=a pid=7100 child_comm=b child_pid=7102`,
      ];
      const { events } = readText(text(...lines.map((line) => line + columns)));
      expect(events).toEqual(readText(text(...lines)).events);
    },
  );

  it.each([" 1000", " 0x0", " zz", "             cc1 4711 [001] 1.000000: sys_exit_brk: 0x0", "  0 a"])(
    "are not %j: the line is damaged",
    (columns) => {
      expect(() => readText(text(`${start}syscalls:sys_enter_brk: brk: 0x0${columns}`))).toThrow(
        expect.objectContaining({ code: "ERR_TRACE_LINE", where: "trace.txt:1" }),
      );
    },
  );
});

/** Linux 6.19, "tracing: Show printable characters in syscall arrays": a string after its address. */
describe("a string after an argument", () => {
  it.each([
    '""',
    '"/usr/bin/ls"',
    '"/a, b: c", d"',
    String.raw`"a\"b\n, argv: 0x1"`,
    '"/very/long/na"...',
    '"/long..."',
    '"\\\\"',
  ])("%s is skipped in the text of perf script and ftrace", (string) => {
    const { events } = readText(
      text(
        `${start}syscalls:sys_enter_execve: filename: 0x55d0c0de1000 ${string}, argv: 0x2, envp: 0x3`,
        `  sh-7101 [001] ..... 812.100021: sys_execve(filename: 55d0c0de1000 ${string}, argv: 2, envp: 3)`,
        `  sh-7102 [001] ..... 812.100022: sys_enter_execveat: fd: 0x1, filename: 0x55d0c0de1000 ${string}, argv: 0x2, envp: 0x3, flags: 0x0`,
        `  sh-7103 [001] ..... 812.100022: sys_enter_execve: filename: 0x55d0c0de1000, argv: 0x2, envp: 0x3 ${string}`,
      ),
    );
    expect(events.map(({ args }) => args)).toEqual(Array.from({ length: 4 }, () => [0x55d0c0de1000n, 2n, 3n]));
  });

  it.each(['"/usr/bin/ls, argv: 0x2, envp: 0x3', '"/usr/bin/ls" argv: 0x2, envp: 0x3', '"', '"a", argv: 0x2'])(
    "%s has no end: the event is damaged",
    (rest) => {
      expect(() => readText(text(`${start}syscalls:sys_enter_execve: filename: 0x1 ${rest}`))).toThrow(
        expect.objectContaining({ code: "ERR_TRACE_LINE", where: "trace.txt:1" }),
      );
    },
  );
});

describe("lines that are not events", () => {
  const event = "ls  5000 [001]   100.000010: syscalls:sys_enter_brk: brk: 0x00000000";

  it.each([
    "            7f5a6c0e4f3b brk+0xb (/usr/lib/libc.so.6)",
    "\t    7f5a6c0e4f3b [unknown] ([unknown])",
    "\t    7f5a6c0e4f3b",
    "            7f5a6c0e4f3b operator new(unsigned long) (inlined)",
    "            brk+0xb (/usr/lib/libc.so.6)",
    "            brk+0xb",
    "  libc.so.6[e4f3b]",
    "  brk.c:31",
    "  /usr/src/a file.c:31 (discriminator 3)",
    "  ??:0",
    "|31\t  return x;",
    " => do_syscall_64",
  ])("%j after an event is an entry of its call chain", (line) => {
    const { summary } = readText(text(event, line, "", event.replace("5000", "5001")));
    expect(summary).toMatchObject({ events: 2, blanks: 1, unreadable: 0, unused: { "call chain": 1 } });
  });

  it.each([
    "addr2line_init failed for /usr/lib/x86_64-linux-gnu/libc-2.31.so",
    "0x7f5e38 [0x78]: failed to process type: 17 [Bad address]",
    "Warning:",
    "3 out of order events recorded.",
    "[ perf record: Woken up 1 times to write data ]",
    "Failed to open /tmp/perf-1.map, continuing without symbols",
  ])("%j is a message of perf", (line) => {
    const { summary } = readText(text(line, event));
    expect(summary).toMatchObject({ events: 1, unreadable: 0, unused: { remark: 1 } });
  });

  it("of perf trace are counted by that name", () => {
    const lines = [
      "     0.000 a.out/7001 exceptions:page_fault_user(address: 0x57060420, ip: 4195786, error_code: 6)",
      "LOST 9 events!",
      "     0.045 ( 0.003 ms): a.out/7001 brk(brk: 0x5555)                   = 0x5555",
      "     0.051 (         ): brk()                                          ...",
      "         ? (         ): a.out/7001  ... [continued]: execve())         = 0",
    ];
    const { summary } = readText(text(...lines, event));
    expect(summary).toMatchObject({ lost: 9, unreadable: 4, unused: { "line of perf trace": 4, "lost events": 1 } });
    expect(() => readText(text(...lines))).toThrow(expect.objectContaining({ code: "ERR_TRACE_EMPTY" }));
  });
});

describe("the ftrace dump of an oops", () => {
  it("has the prefix of the console, a CPU joined to the flags, and times in microseconds", () => {
    const { events, summary } = readText(
      text(
        "[  352.770000] BUG: unable to handle page fault for address: ffff888100000000",
        "[  352.771000] Dumping ftrace buffer:",
        "[  352.771100] ---------------------------------",
        "[  352.772408] build-4100      1d..1. 346277983us : page_fault_user: address=0x7ffd52fd0038 ip=0x5614ef9dde48 error_code=0x7",
        "[  352.774334][ T4100]    my sh-4101    12.N.1. 346277984us+: sys_brk(brk: 0)",
        "<4>[  352.775505] kworker/-4101    0d... 346277999us!: sys_brk -> 0x55d000000000",
        "CPU:1 [LOST 12 EVENTS]",
        "[  352.776000]       sh-4102      2..... 346278000us : sched_waking: comm=x pid=7",
        "[  352.776100]       sh-4102      2..... 346278000us : do_sys_open <-x64_sys_openat",
        "",
      ),
    );
    expect(events.map(({ event, comm, tid, cpu, time }) => [event.replace(/.*:/, ""), comm, tid, cpu, time])).toEqual([
      ["page_fault_user", "build", 4100, 1, 346277983000],
      ["sys_enter_brk", "my sh", 4101, 12, 346277984000],
      ["sys_exit_brk", "kworker/", 4101, 0, 346277999000],
    ]);
    expect(summary).toMatchObject({ lost: 12, unreadable: 0 });
    expect(summary.unused).toMatchObject({ sched_waking: 1, "lost events": 1 });
    expectAccounted(summary);
  });

  it("prints symbols with their modules", () => {
    const fault = (ip: string): string =>
      `  qemu-5000 [001] ..... 100.000001: page_fault_kernel: address=0x7f0216e5a000 ip=${ip} error_code=0x0`;
    for (const ip of ["demo_read_guest [demo_mod]", "demo_read+0x10/0x20 [demo_mod 0f1e2d]", "copy_from_user"])
      expect(readText(text(fault(ip))).events[0]).toMatchObject({ args: [0x7f0216e5a000n, 0n, 0n], text: ip });
    for (const ip of ["demo [demo_mod", "demo demo_mod", ""])
      expect(() => readText(text(fault(ip)))).toThrow("trace.txt:1");
  });
});

describe("halves of system calls", () => {
  const enter = (tid: number, call = "brk: brk: 0x0"): string =>
    `  sh ${tid} [000] 1.000000: syscalls:sys_enter_${call}`;
  const exit = (tid: number, call = "brk: 0x1000"): string => `  sh ${tid} [000] 1.000000: syscalls:sys_exit_${call}`;
  const sched = (tid: number, rest: string): string => `  sh ${tid} [000] 1.000000: sched:sched_process_${rest}`;
  const BEGINNING = "end of a call without its beginning";
  const END = "call without its end";

  it.each<[string, string[], number, Record<string, number>]>([
    ["an exit alone", [exit(1), enter(2)], 1, { [BEGINNING]: 1 }],
    ["entries alone", [enter(1), enter(1), enter(1)], 3, { [END]: 2 }],
    ["an exit of another call", [enter(1), exit(1, "munmap: 0x0"), enter(2)], 2, { [BEGINNING]: 1, [END]: 1 }],
    ["two exits", [enter(1), exit(1), exit(1)], 2, { [BEGINNING]: 1 }],
    ["a call at the end of the recording", [enter(1), exit(1), enter(1)], 3, {}],
    ["a call in which the thread ends", [enter(1), sched(1, "exit: comm=sh pid=1 prio=120"), enter(1)], 3, {}],
    ["exit_group", [enter(1, "exit_group: error_code: 0x0"), enter(1)], 2, {}],
    [
      "the return of fork in the child",
      [enter(1, "fork"), exit(1, "fork: 0x2"), exit(2, "fork: 0x0"), enter(2)],
      4,
      {},
    ],
    [
      "an execve at the start of the recording",
      [sched(1, "exec: filename=/bin/sh pid=1 old_pid=1"), exit(1, "execve: 0x0"), enter(1), exit(1)],
      4,
      {},
    ],
    [
      "an execve by a thread that gets the tid of the leader",
      [
        enter(1),
        enter(2, "execve: filename: 0x1, argv: 0x2, envp: 0x3"),
        sched(1, "exec: filename=/bin/sh pid=1 old_pid=2"),
        exit(1, "execve: 0x0"),
      ],
      4,
      {},
    ],
  ])("%s: every line is in one count", (_, lines, events, unused) => {
    const { summary } = readText(
      text(...lines.map((line) => line.replace("fork\n", "fork:\n").replace(/fork$/, "fork: "))),
    );
    expect(summary.unused).toEqual(unused);
    expect(summary.events).toBe(events);
    expectAccounted(summary);
  });
});

describe("the form of a text", () => {
  const perf = Array.from({ length: 100 }, (_, i) => brk.replace("7100", String(7000 + i)));
  const strace = Array.from({ length: 100 }, (_, i) => `7 ${i}.000000 brk(NULL) = 0x1000`);

  it.each([
    ["one line of strace and many of perf", ["+++ exited with 0 +++", ...perf], "tracepoints"],
    ["one line of perf and many of strace", [perf[0]!, ...strace], "strace"],
    ["blank lines and a line of strace", [...Array.from({ length: 5000 }, () => ""), strace[0]!], "strace"],
    [
      "messages of strace longer than any block",
      [...Array.from({ length: 400 }, (_, i) => `strace: Process ${1000 + i} attached`), strace[0]!],
      "strace",
    ],
  ])("is that of most lines: %s, plain, compressed and in chunks", async (name, lines, form) => {
    const content = text(...lines);
    const whole = readText(content).summary;
    expect(whole.form).toBe(form);
    for (const chunk of [1, 100, 4096, 1 << 14]) expect(readText(content, chunk).summary).toEqual(whole);
    for (const [file, bytes] of [
      ["trace.txt", content],
      ["trace.txt.gz", gzipSync(content)],
    ] as const) {
      writeFileSync(join(folder, file), bytes);
      expect(await readTrace(join(folder, file), () => undefined), name).toEqual(whole);
    }
  });
});

describe("a text that is cut at any byte", () => {
  const lines = text(
    "# arch : x86_64",
    `${start}syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x00004000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x0`,
    `${start}syscalls:sys_exit_mmap: 0x7f1b7f322000`,
    "",
    `${start}         1 page-faults:     7f1b7f322110 main+0x0 (/usr/bin/make) ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])`,
    "\t    7f5a6c0e4f3b brk+0xb (/usr/lib/libc.so.6)",
    `${start}raw_syscalls:sys_enter: NR 11 (7f1b7f322000, 4000, 0, 0, 0, 0)`,
  );

  it("is read up to its last whole line, in one or more chunks, plain or compressed", async () => {
    const all = readText(lines).events;
    const first = lines.indexOf("\n", lines.indexOf("sys_enter_mmap")) + 1;
    for (let end = first; end <= lines.length; end++) {
      const cut = lines.slice(0, end);
      const { events, summary } = readText(cut);
      expect(events).toEqual(all.slice(0, events.length));
      expect(summary.unused["last line without its end"] ?? 0).toBe(cut.endsWith("\n") ? 0 : 1);
      expectAccounted(summary);
      expect(readText(cut, 7).summary).toEqual(summary);
      if (end % 50 !== 0) continue;
      writeFileSync(join(folder, "trace.gz"), gzipSync(cut));
      expect(await readTrace(join(folder, "trace.gz"), () => undefined)).toEqual(summary);
    }
  });
});
