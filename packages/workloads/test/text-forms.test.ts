import { describe, expect, it } from "vitest";
import { eventNames } from "../src/index.js";
import { readTrace } from "../src/node/index.js";
import { type PlainEvent, readText, testdata, unpack } from "./perf-script-oracle.js";

const text = (name: string): string => Buffer.from(unpack(testdata(name))).toString();

/** The number of events by name. */
async function countsOf(name: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  await readTrace(testdata(name), ({ kind }) => {
    counts[eventNames[kind]!] = (counts[eventNames[kind]!] ?? 0) + 1;
  });
  return counts;
}

/** The fields of an event that do not depend on the columns. */
const fieldsOf = ({ event, tid, args, text: name }: PlainEvent): unknown[] => [event, tid, args, name];

/** One recording with the default columns of `perf script`, and with the columns of `-F`. */
describe("perf script with other columns", () => {
  const { events: expected } = readText(text("columns.perf-script.txt.gz"));
  const lines = text("columns.perf-script.txt.gz").trimEnd().split("\n");
  const columns = /^ *(\S+) +(\d+) +\[(\d+)\] +(\d+\.\d+): +(.*)$/;

  /** Prints the recording with the columns of a template. */
  const printed = (template: string): string => lines.map((line) => line.replace(columns, template)).join("\n") + "\n";

  it.each([
    ["pid,tid", "$2/$2 [$3] $4: $5"],
    ["tid,time", "$2 $4:   $5"],
    ["comm,tid", "            $1 $2    $5"],
    ["comm,tid,time", "            $1 $2 $4:    $5"],
    ["comm,tid,cpu", "            $1 $2 [$3]    $5"],
    ["pid", "$2    $5"],
    ["comm,pid,tid,cpu,time,period", "            $1 $2/$2 [$3] $4:          1    $5"],
    ["time in nanoseconds", "            $1 $2 [$3] $4000:    $5"],
    ["a comm of several words", "  a [b] 12 c 9.5: d $2/$2 [$3] $4:    $5"],
  ])("of %s gives the same events", (_, template) => {
    const { events, summary } = readText(printed(template));
    expect(events.map(fieldsOf)).toEqual(expected.map(fieldsOf));
    expect(summary).toMatchObject({ lines: lines.length, unused: {}, form: "tracepoints", limits: [] });
  });

  it("gives the process, if perf prints it", async () => {
    const pids: number[] = [];
    await readTrace(testdata("columns-pid.perf-script.txt.gz"), ({ pid, tid }) => pids.push(pid - tid));
    expect(new Set(pids)).toEqual(new Set([0]));
    expect(pids.length).toBe(lines.length);
    await readTrace(testdata("columns.perf-script.txt.gz"), ({ pid }) => {
      expect(pid).toBe(-1);
    });
  });

  it("may have modifiers after event names, flags after those, and a header", () => {
    const name = /([a-z]+:[a-z_0-9]+):/;
    for (const to of ["$1:u:", "$1:kH:", "$1:                    "]) {
      const changed = lines.map((line) => line.replace(name, to)).join("\n");
      const { events } = readText(`# ========\n# captured on    : Sat\n#\n${changed}\n`);
      expect(events.map(fieldsOf)).toEqual(expected.map(fieldsOf));
    }
  });

  it("is an error without a thread", () => {
    for (const template of ["$1 $4: $5", "$5"]) {
      expect(() => readText(printed(template))).toThrow(
        expect.objectContaining({ code: "ERR_TRACE_LINE", where: "trace.txt:1" }) as Error,
      );
    }
  });

  it("counts an unused event by its name for all columns, and the messages of perf", () => {
    const other =
      "  sh 7/7 [000] 1.000000: sched:sched_wakeup: comm=x\n  sh-7 [000] d.... 1.000000: sched_waking: comm=x\n";
    const remarks = "Warning:\nProcessed 5 events and lost 1 chunks!\n\n[ perf record: Woken up 1 times ]\ncpus=2\n";
    const { summary } = readText(other + remarks + printed("$2 $4: $5"));
    expect(summary.unused).toEqual({ "sched:sched_wakeup": 1, sched_waking: 1, remark: 4 });
  });
});

describe("the texts of ftrace and trace-cmd", () => {
  const SAME = [
    "sys_enter_mmap",
    "sys_exit_mmap",
    "sys_enter_brk",
    "sys_exit_brk",
    "sys_enter_munmap",
    "sys_enter_mprotect",
  ];

  it("have the number of events of each call that perf recorded for the same commands", async () => {
    const perf = await countsOf("columns.perf-script.txt.gz");
    for (const name of ["ftrace.txt.gz", "ftrace-tgid.txt.gz"]) {
      const ftrace = await countsOf(name);
      for (const call of SAME) expect(ftrace[`syscalls:${call}`], call).toBe(perf[`syscalls:${call}`]);
      expect(ftrace["sched:sched_process_fork"]).toBe(2);
      expect(ftrace["exceptions:page_fault_user"]).toBeGreaterThan(250);
    }
  });

  it("of the trace file of ftrace: numbers are hexadecimal with and without 0x, a string may follow an address", () => {
    const start = "    my-prog-7     (      5) [001] d.h1. 17147.135430: ";
    const { events } = readText(
      [
        `${start}sys_mmap(addr: 0, len: 0x2000, prot: 3, flags: 22, fd: ffffffff, off: 0)`,
        `${start}sys_mmap -> 0x7f4c5c3c5000`,
        `${start}sys_execve(filename: 0x10 "/bin/a b, c", argv: 20, envp: 30)`,
        `${start}sys_execve -> 0xfffffffffffffffe`,
        `${start}sys_fork()`,
        `${start}sys_exit_group(error_code: 1)`,
        `${start}sched_process_exec: filename=/usr/bin/sh pid=7 old_pid=7`,
        "CPU:1 [LOST 12 EVENTS]",
        "          <idle>-0     [000] d.... 1.000000: page_fault_user: address=0x1000 ip=0x2 error_code=0x4",
        "",
      ].join("\n"),
    );
    expect(events[0]).toMatchObject({ event: "syscalls:sys_enter_mmap", comm: "my-prog", tid: 7, cpu: 1 });
    expect(events[0]!.args).toEqual([0n, 0x2000n, 3n, 0x22n, 0xffffffffn, 0n]);
    expect(events.map(({ event }) => event.replace(/.*:/, ""))).toEqual([
      "sys_enter_mmap",
      "sys_exit_mmap",
      "sys_enter_execve",
      "sys_exit_execve",
      "sys_enter_fork",
      "sys_enter_exit_group",
      "sched_process_exec",
      "page_fault_user",
    ]);
    expect(events[2]!.args).toEqual([0x10n, 0x20n, 0x30n]);
    expect(events.at(-1)).toMatchObject({ comm: "<idle>", tid: 0 });
  });

  it("of trace-cmd report: names without subsystem, padding, and a short form of sched_switch", () => {
    const start = "            gcc-21524 [001]   995.663669: ";
    const { events, summary } = readText(
      [
        "cpus=2",
        `${start}sys_enter_brk:        brk: 0x00001000`,
        `${start}sys_exit_brk:         0x1000`,
        `${start}page_fault_user:      address=0x53d108 ip=0x401000 error_code=0x6`,
        `${start}sched_switch:         my gcc:1:21524 [120] R+ ==> kworker/0:1:33 [120]`,
        `${start}sched_process_exit:   comm=gcc pid=21524 prio=120`,
        "CPU:0 [5 EVENTS DROPPED]",
        "",
      ].join("\n"),
    );
    expect(events.map(({ args }) => args)).toEqual([
      [0x1000n],
      [0x1000n],
      [0x53d108n, 0x401000n, 6n],
      [21524n, (1n << 32n) | 0x52n, 33n],
      [21524n, BigInt.asUintN(64, -1n)],
    ]);
    expect(events[3]!.text).toBe("kworker/0:1");
    expect(summary).toMatchObject({ lost: 5, unused: { remark: 1, "lost events": 1 } });
  });
});

describe("strace -f -ttt", () => {
  it("has the number of each call that perf recorded for the same commands, in a file and on a terminal", async () => {
    const perf = await countsOf("columns.perf-script.txt.gz");
    for (const name of ["strace.txt.gz", "strace-o.txt.gz"]) {
      const strace = await countsOf(name);
      for (const call of ["mmap", "brk", "munmap", "mprotect"]) {
        expect(strace[`syscalls:sys_enter_${call}`], call).toBe(perf[`syscalls:sys_enter_${call}`]);
        expect(strace[`syscalls:sys_exit_${call}`], call).toBe(perf[`syscalls:sys_exit_${call}`]);
      }
      expect(strace["sched:sched_process_fork"]).toBe(2);
      expect(strace["sched:sched_process_exit"]).toBe(3);
      expect(strace["sched:sched_process_exec"]).toBe(3);
    }
  });

  it("has three limits, and counts the unused calls", () => {
    const { summary } = readText('7 1.000000 brk(NULL) = 0x1000\n7 1.000001 openat(AT_FDCWD, "/", O_RDONLY) = 3\n');
    expect(summary.form).toBe("strace");
    expect(summary.limits).toHaveLength(3);
    expect(summary.unused).toEqual({ openat: 1 });
  });

  it("gives flags as numbers, errors as errno, and a fork before the first call of its child", () => {
    const { events } = readText(
      [
        "7 1.000000 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|0x800 /* MAP_??? */, -1, 0x1000) = 0x7f0000000000",
        "7 1.000001 madvise(0x7f0000000000, 4096, MADV_DONTNEED) = -1 ENOMEM (Cannot allocate memory)",
        "7 1.000002 clone3({flags=CLONE_VM|CLONE_VFORK|CLONE_CLEAR_SIGHAND, exit_signal=SIGCHLD, stack=0x7f}, 88 <unfinished ...>",
        '8 1.000003 execve("/bin/a = b", ["a"], 0x1 /* 2 vars */) = 0',
        "7 1.000004 <... clone3 resumed>) = 8",
        "8 1.000005 exit_group(0) = ?",
        "8 1.000006 +++ exited with 0 +++",
        "7 1.000007 --- SIGCHLD {si_signo=SIGCHLD} ---",
        "",
      ].join("\n"),
    );
    expect(events.map(({ event, tid }) => `${tid} ${event.replace(/.*:/, "")}`)).toEqual([
      "7 sys_enter_mmap",
      "7 sys_exit_mmap",
      "7 sys_enter_madvise",
      "7 sys_exit_madvise",
      "7 sys_enter_clone",
      "7 sched_process_fork",
      "8 sys_enter_execve",
      "8 sched_process_exec",
      "8 sys_exit_execve",
      "7 sys_exit_clone",
      "8 sys_enter_exit_group",
      "8 sched_process_exit",
    ]);
    expect(events[0]!.args).toEqual([0n, 8192n, 3n, 0x822n, BigInt.asUintN(64, -1n), 0x1000n]);
    expect(events[3]!.args).toEqual([BigInt.asUintN(64, -12n)]);
    expect(events[4]!.args[0]).toBe(0x1_0000_4100n);
    expect(events[5]!.args).toEqual([7n, 8n]);
  });
});

describe("columns of perf script around an event", () => {
  const line = (misc: string, trailing: string): string =>
    `             gcc  4100 [001] ${misc}  812.100010: syscalls:sys_enter_brk: brk: 0x00000000${trailing}\n`;

  it.each([
    ["misc", "U    ", ""],
    ["misc of two letters", "KE   ", ""],
    ["addr", "", "                0"],
    ["addr and weight", "", "                0               37"],
    ["ip and symbol", "", "     7f5a6c0e4f3b brk+0xb"],
    ["ip, symbol and object", "", "     7f5a6c0e4f3b std::map<int, int>::at(int const&)+0xb (/usr/lib/libc.so.6)"],
    ["an unknown symbol", "", "     7f5a6c0e4f3b [unknown]"],
    ["ip, symbol, object and a physical address", "", "     7f5a6c0e4f3b brk+0xb (/usr/lib/libc.so.6)           1a2b3"],
  ])("may be %s", (_, misc, trailing) => {
    const { events, summary } = readText(line(misc, trailing));
    expect(events).toMatchObject([{ event: "syscalls:sys_enter_brk", tid: 4100, cpu: 1, args: [0n] }]);
    expect(summary.unused).toEqual({});
  });

  it("are not the beginning of another line", () => {
    const joined = `            dead  4100 [001]   812.100011: raw_syscalls:sys_exit: NR 12 = 0 (x)`;
    expect(() => readText(line("", joined))).toThrow(expect.objectContaining({ where: "trace.txt:1" }) as Error);
  });
});

describe("ftrace", () => {
  const task = "              ls-5000    [001] ..... ";

  it.each(["1234567890", "12", "18446744073709551615"])("may have a clock without seconds: %s", (clock) => {
    const { events } = readText(`${task}${clock}: sys_brk(brk: 0)\n`);
    expect(events).toMatchObject([{ event: "syscalls:sys_enter_brk", tid: 5000, cpu: 1, time: Number.NaN }]);
  });

  it("may have function graphs: their lines and the events in them are counted by description", () => {
    const { summary } = readText(
      [
        "# tracer: function_graph",
        " 1)               |  do_user_addr_fault() {",
        " 1)               |  /* page_fault_user: address=0x7f0216e5a000 ip=0x7f5a6c0e4f3b error_code=0x6 */",
        " 1)   0.541 us    |    find_vma();",
        " 1) + 12.3 us     |  }",
        "  100.000001 |   1)    ls-5000    |   0.541 us    |  find_vma();",
        " ------------------------------------------",
        " 1)    ls-5000    =>   <idle>-0   ",
        `${task}100.000001: sys_brk(brk: 0)`,
        "",
      ].join("\n"),
    );
    expect(summary).toMatchObject({ events: 1, unreadable: 0 });
    expect(summary.unused).toEqual({
      "function graph": 5,
      "event in a function graph, without its thread": 1,
      "kernel log": 1,
    });
  });
});

describe("results of 32-bit processes", () => {
  it.each([
    ["# arch : aarch64\n", "NR 192", 192],
    ["# arch : x86_64\n", "NR 1073741833 of x32", 1073741833],
  ])("%s with %s: the sign extension of an address is removed", (header, _, number) => {
    const at = "ls 5000 [001] 1.000001: ";
    const { events } = readText(
      `${header}${at}raw_syscalls:sys_enter: NR ${number} (0, 2000, 3, 22, ffffffff, 0)\n${at}raw_syscalls:sys_exit: NR ${number} = -135217152\n` +
        `${at}raw_syscalls:sys_enter: NR ${number} (0, 2000, 3, 22, ffffffff, 0)\n${at}raw_syscalls:sys_exit: NR ${number} = -12\n`,
    );
    expect(events.map(({ event }) => event)).toEqual([
      "syscalls:sys_enter_mmap",
      "syscalls:sys_exit_mmap",
      "syscalls:sys_enter_mmap",
      "syscalls:sys_exit_mmap",
    ]);
    expect(events.map(({ args }) => args[0])).toEqual([0n, 0xf7f0c000n, 0n, 2n ** 64n - 12n]);
  });
});
