import { printable } from "@kpkeys/core";
import { describe, expect, it } from "vitest";
import { EventKind, eventNames } from "../src/index.js";
import { embeddedTrace, readTrace } from "../src/node/index.js";
import { agreesWithOracle, countNames, expectAccounted, readText, testdata, unpack } from "./perf-script-oracle.js";

describe("perf script text", () => {
  it("of the bundled recording: every field of its 4,264 events is correct", async () => {
    expect(await agreesWithOracle(embeddedTrace.trace)).toBe(4264);
  });

  it("of a recording with odd names (spaces, brackets, colons, digits, text that looks like arguments) is read correctly", async () => {
    expect(await agreesWithOracle(testdata("odd-names.perf-script.txt.gz"))).toBe(1305);
  });

  it("with call chains has comms without padding, and lines that are not events are counted", () => {
    const text = unpack(testdata("call-chains.perf-script.txt.gz"));
    const { events, summary } = readText(text);
    const names = Object.values(countNames(text)).reduce((sum, count) => sum + count);
    expect(events.length).toBe(names);
    expect(new Set(events.map(({ comm }) => comm))).toContain("=>==> next_comm");
    expect(events.filter(({ comm }) => comm === "#comment")).toHaveLength(40);
    expect(Object.keys(summary.unused).sort()).toEqual([
      "PERF_RECORD_COMM",
      "PERF_RECORD_EXIT",
      "PERF_RECORD_FORK",
      "call chain",
      "call without its end",
    ]);
    expectAccounted(summary);
  });

  it("counts the events that perf lost, and the unused events by name", async () => {
    const path = testdata("lost-events.perf-script.txt.gz");
    const lost = Array.from(
      Buffer.from(unpack(path))
        .toString()
        .matchAll(/LOST lost (\d+)/g),
      ([, n]) => Number(n),
    );
    const summary = await readTrace(path, () => undefined);
    expect(summary.lost).toBe(lost.reduce((sum, count) => sum + count));
    expect(summary.unused).toEqual({
      "page fault without its address": 12,
      // The recording has no system call exits.
      "call without its end": 70,
      PERF_RECORD_LOST: lost.length,
      "sched:sched_wakeup": 3,
    });
    expect(summary.comments).toBe(8);
  });

  const start = "             gcc 21524 [001]   995.663590: ";

  it("may have nanoseconds, no CPU, a period, a carriage return", () => {
    const { events } = readText(
      [
        "             gcc 21524 [001]   995.663590123: syscalls:sys_enter_brk: brk: 0x1000",
        "             gcc 21524   995.663590: syscalls:sys_enter_brk: brk: 0x1000",
        "             gcc 21524 [001]   995.663590:          1 syscalls:sys_enter_brk: brk: 0x1000\r",
        "          :-1    -1 [001]   995.663590: syscalls:sys_enter_brk: brk: 0x1000",
        "kworker/u8:1-events_unbound    77 [001]   995.663590: syscalls:sys_enter_brk: brk: 0x1000",
        "",
      ].join("\n"),
    );
    expect(events.map(({ time }) => time % 1000)).toEqual([123, 0, 0, 0, 0]);
    expect(events.map(({ cpu }) => cpu)).toEqual([1, -1, 1, 1, 1]);
    expect(events.map(({ tid }) => tid)).toEqual([21524, 21524, 21524, -1, 77]);
    expect(events.at(-1)!.comm).toBe("kworker/u8:1-events_unbound");
    expect(events.every(({ args }) => args[0] === 0x1000n)).toBe(true);
  });

  it("may have decimal and negative numbers in place of hexadecimal ones", () => {
    const values = ["-12", "0xfffffffffffffff4", "18446744073709551615", "-9223372036854775808", "4096"];
    const { events } = readText(
      values
        .map((value) => `${start}syscalls:sys_enter_brk: brk: 0x0\n${start}syscalls:sys_exit_brk: ${value}\n`)
        .join(""),
    );
    const exits = events.filter(({ event }) => event.endsWith("exit_brk"));
    expect(exits.map(({ args }) => BigInt.asIntN(64, args[0]!))).toEqual([-12n, -12n, -1n, -(1n << 63n), 4096n]);
  });

  it("has no group_dead on older kernels", () => {
    const lines = ["", " group_dead=false", " group_dead=true"].map(
      (dead) => `${start}sched:sched_process_exit: comm=gcc pid=7 prio=120${dead}\n`,
    );
    const { events } = readText(lines.join(""));
    expect(events.map(({ args }) => BigInt.asIntN(64, args[1]!))).toEqual([-1n, 0n, 1n]);
  });

  it("may have a symbol in place of a faulting kernel address: the event is counted as unused", () => {
    const line = `${start}exceptions:page_fault_kernel: address=init_task ip=memcpy error_code=0x2\n`;
    const { summary } = readText(`${line}${start}syscalls:sys_enter_brk: brk: 0x0\n`);
    expect(summary).toMatchObject({ events: 1, unused: { "exceptions:page_fault_kernel at a symbol": 1 } });
  });

  const LINE = "`comm tid [cpu] seconds.fraction: event: arguments` as perf script prints them";

  it.each([
    [`${start}syscalls:sys_enter_brk: brk: 0x`, "brk: 0xHEX"],
    [`${start}syscalls:sys_enter_brk: brk: 0x12345678123456789`, "brk: 0xHEX"],
    [`${start}syscalls:sys_enter_munmap: addr: 0x00001000, le`, "addr: 0xHEX, len: 0xHEX"],
    [`${start}syscalls:sys_enter_munmap: addr: 0x00001000`, "addr: 0xHEX, len: 0xHEX"],
    [`${start}syscalls:sys_enter_vfork: 0x1`, "no argument"],
    [`${start}syscalls:sys_exit_mmap: 99999999999999999999`, "0xHEX"],
    [
      `${start}exceptions:page_fault_user: address=0x1 ip=0x2 error_code=\x80\xff`,
      "address=0xHEX ip=0xHEX error_code=0xHEX",
    ],
    [
      `${start}sched:sched_switch: prev_comm=a prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=b next_pid=`,
      "prev_comm=NAME prev_pid=PID prev_prio=NUMBER prev_state=S ==> next_comm=NAME next_pid=PID next_prio=NUMBER",
    ],
    [
      `${start}sched:sched_process_exec: filename=/bin/sh pid=1 old_pid=4294967296`,
      "filename=PATH pid=PID old_pid=PID",
    ],
    [
      `${start}sched:sched_process_exit: comm=a pid=1 prio=120 group_dead=perhaps`,
      "comm=NAME pid=PID prio=NUMBER group_dead=true",
    ],
    ["syscalls:sys_exit_brk: 0x0", LINE],
    ["             gcc 21524 [001   995.663590: syscalls:sys_exit_brk: 0x0", LINE],
    ["             gcc 21524 [001]   995.66359: syscalls:sys_exit_brk: 0x0", LINE],
    ["             gcc four [001]   995.663590: syscalls:sys_exit_brk: 0x0", LINE],
    ["             g\0c 21524 [001]   995.663590: syscalls:sys_exit_brk: 0x0", LINE],
  ])("with the damaged event %j is an error in one printable line that ends in '%s'", (line, expected) => {
    const good = `${start}exceptions:page_fault_user: address=0x1 ip=0x2 error_code=0x4\n`;
    const text = Buffer.from(`${good}${good}${line}\n${good}`, "latin1");
    let error: unknown;
    try {
      readText(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: "ERR_TRACE_LINE", where: "trace.txt:3" });
    const { message } = error as Error;
    expect(message.endsWith(`; expected ${expected}`)).toBe(true);
    expect(printable(message)).toBe(message);
  });

  it("cut within its last line is read up to the line before, because a number may be cut", () => {
    const good = `${start}syscalls:sys_enter_brk: brk: 0x0\n`;
    const text = `${good}${start}syscalls:sys_enter_munmap: addr: 0x1000, len: 0x2000`;
    for (let end = good.length + 1; end <= text.length; end++) {
      const { summary } = readText(text.slice(0, end));
      expect(summary).toMatchObject({ lines: 2, events: 1, unused: { "last line without its end": 1 } });
    }
    expect(readText(`${text}\n`).events).toHaveLength(2);
  });

  it.each([
    ["columns only", start],
    ["no columns", "once upon a time"],
    ["an event name in prose", "event sched_switch: cannot be opened"],
    ["NUL bytes", "\0\0\0"],
  ])("counts a line with %s as unreadable", (_, line) => {
    const { summary } = readText(`${line}\n${start}syscalls:sys_enter_brk: brk: 0x0\n`);
    expect(summary).toMatchObject({ lines: 2, events: 1, unreadable: 1, unused: { "line of no known form": 1 } });
  });

  it("has one name for each kind", () => {
    expect(new Set(eventNames).size).toBe(Object.keys(EventKind).length);
    for (const [name, kind] of Object.entries(EventKind)) {
      expect(eventNames[kind]).toMatch(kind === EventKind.page_fault ? /^page-faults$/ : new RegExp(`:${name}$`));
    }
  });
});
