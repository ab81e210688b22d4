import { describe, expect, it } from "vitest";
import { readText } from "./perf-script-oracle.js";

const start = "             sh 7 [000] 1.000000: ";
const ftrace = "    sh-7     [001] d.h1. 1.000000: ";

describe("a system call with the effect of another", () => {
  it.each([
    ["pkey_mprotect", "start: 0x1, len: 0x2, prot: 0x3, pkey: 0x4", "mprotect", [1n, 2n, 3n]],
    ["mmap_pgoff", "addr: 0x1, len: 0x2, prot: 0x3, flags: 0x4, fd: 0x5, pgoff: 0x6", "mmap", [1n, 2n, 3n, 4n, 5n, 6n]],
    ["execveat", "fd: 0x1, filename: 0x2, argv: 0x3, envp: 0x4, flags: 0x5", "execve", [2n, 3n, 4n]],
  ])("%s(%s) gives the kind and the arguments of %s", (call, args, as, values) => {
    const { events, summary } = readText(
      [
        `${start}syscalls:sys_enter_${call}: ${args}`,
        `${start}syscalls:sys_exit_${call}: 0xfff`,
        `${start}syscalls:sys_enter_${call}:u: ${args}`,
        `${start}syscalls:sys_exit_${call}:u: 0xfff`,
        `${ftrace}sys_${call}(${args.replaceAll("0x", "")})`,
        `${ftrace}sys_${call} -> 0xfff`,
        "",
      ].join("\n"),
    );
    const [enter, exit] = [`syscalls:sys_enter_${as}`, `syscalls:sys_exit_${as}`];
    expect(events.map(({ event }) => event)).toEqual([enter, exit, enter, exit, enter, exit]);
    expect(events.map((event) => event.args)).toEqual([values, [0xfffn], values, [0xfffn], values, [0xfffn]]);
    expect(summary.kinds).toEqual({ [`sys_enter_${as}`]: 3, [`sys_exit_${as}`]: 3 });
  });
});

describe("mlock2", () => {
  const entry = (call: string): string =>
    `# arch : x86_64\n${start}raw_syscalls:sys_enter: NR 9 (0, 1000, 3, 22, ffffffff, 0)\n${start}${call}\n`;

  it.each([
    ["its tracepoint", "syscalls:sys_enter_mlock2: start: 0x7f0000000000, len: 0x00001000, flags: 0x00000001"],
    ["raw_syscalls", "raw_syscalls:sys_enter: NR 325 (7f0000000000, 1000, 1, 4, 5, 6)"],
  ])("keeps its flags in %s", (_, call) => {
    const { events } = readText(entry(call));
    expect(events.at(-1)).toMatchObject({
      event: "syscalls:sys_enter_mlock2",
      args: [0x7f0000000000n, 0x1000n, 1n],
    });
  });
});

describe("the summary of a trace", () => {
  it("counts the events of each kind, and those with an earlier time than the event before them", () => {
    const at = (time: string): string =>
      `             sh 7 [000] ${time}: exceptions:page_fault_user: address=0x1 ip=0x2 error_code=0x4\n`;
    const { summary } = readText(
      `${at("2.000000")}${at("1.000000")}${at("1.000000")}${at("3.000000")}${at("2.999999")}`,
    );
    expect(summary).toMatchObject({ kinds: { page_fault_user: 5 }, backwards: 2, unreadable: 0 });
  });

  it("counts the lines that match no form of strace", () => {
    const { summary } = readText("7 1.000000 brk(NULL) = 0x1000\nonce upon a time\n7 1.000002 getpid() = 7\n");
    expect(summary).toMatchObject({ unreadable: 1, kinds: { sys_enter_brk: 1, sys_exit_brk: 1 } });
  });
});

describe("a system call without arguments", () => {
  // The columns of `perf record -d` and `perf script -F +addr`: the address of a tracepoint is 0.
  it.each(["", "                0", "                0     7f1b7f322110 vfork+0x10 (/usr/lib/libc.so.6)"])(
    "may have the columns '%s' after its name",
    (columns) => {
      const { events } = readText(`${start}syscalls:sys_enter_vfork: ${columns}\n`);
      expect(events.map(({ event }) => event)).toEqual(["syscalls:sys_enter_vfork"]);
    },
  );
});
