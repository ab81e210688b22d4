import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { embeddedTrace } from "../src/node/index.js";
import { type PlainEvent, readText, testdata, unpack } from "./perf-script-oracle.js";

const bytes = (text: string): number => Buffer.byteLength(text);

/** A comm: any text of at most 15 bytes, often one that looks like columns or arguments. */
const comm = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...Array.from(" :[]()0123456789.=#,>+-_ax\t")), maxLength: 15 }),
    fc.string({ unit: "grapheme", maxLength: 15 }),
    fc.constantFrom(" pid=1", "1 [000] 1.5: a:", " prev_pid=1 x", "a  child_pid=7", "x prio=120", " ==> next_comm"),
  )
  .filter((text) => bytes(text) <= 15 && !/[\0\n]/.test(text));

const word64 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.bigInt({ min: 0n, max: 0xffffn }),
  fc.bigInt({ min: 1n, max: 4095n }).map((errno) => (1n << 64n) - errno),
);
const pid = fc.nat(4_194_304);
const prio = fc.integer({ min: -1, max: 139 });

/** The arguments of an event as the kernel's format prints them, and the expected values. */
interface Printed {
  readonly event: string;
  readonly printed: string;
  readonly args: readonly bigint[];
  readonly text: string;
}

const hex8 = (value: bigint): string => `0x${value.toString(16).padStart(8, "0")}`;

/** Names of the arguments, from the format files of the tracepoints. */
const SYSCALLS: Readonly<Record<string, readonly string[]>> = {
  mmap: ["addr", "len", "prot", "flags", "fd", "off"],
  munmap: ["addr", "len"],
  mprotect: ["start", "len", "prot"],
  mremap: ["addr", "old_len", "new_len", "flags", "new_addr"],
  brk: ["brk"],
  madvise: ["start", "len_in", "behavior"],
  clone: ["clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls"],
  clone3: ["uargs", "size"],
  fork: [],
  vfork: [],
  execve: ["filename", "argv", "envp"],
  mlock: ["start", "len"],
  munlock: ["start", "len"],
  mlockall: ["flags"],
  munlockall: [],
  shmat: ["shmid", "shmaddr", "shmflg"],
  shmdt: ["shmaddr"],
  remap_file_pages: ["start", "size", "prot", "pgoff", "flags"],
  process_madvise: ["pidfd", "vec", "vlen", "behavior", "flags"],
  exit_group: ["error_code"],
};

const enter: fc.Arbitrary<Printed> = fc
  .constantFrom(...Object.entries(SYSCALLS))
  .chain(([name, labels]) => fc.tuple(fc.constant({ name, labels }), fc.tuple(...labels.map(() => word64))))
  .map(([{ name, labels }, args]) => ({
    event: `syscalls:sys_enter_${name}`,
    printed: labels.map((label, index) => `${label}: ${hex8(args[index]!)}`).join(", "),
    args,
    text: "",
  }));

const exit: fc.Arbitrary<Printed> = fc
  .tuple(fc.constantFrom(...Object.keys(SYSCALLS).filter((name) => name !== "exit_group")), word64)
  .map(([name, ret]) => ({
    event: `syscalls:sys_exit_${name}`,
    printed: `0x${ret.toString(16)}`,
    args: [ret],
    text: "",
  }));

const fault: fc.Arbitrary<Printed> = fc
  .record({
    mode: fc.constantFrom("user", "kernel"),
    address: word64,
    ip: fc.oneof(word64, fc.constantFrom("rep_movs_alternative", "__put_user_8", "do.isra.0", "fault_in+0x2a")),
    code: word64,
  })
  .map(({ mode, address, ip, code }) => ({
    event: `exceptions:page_fault_${mode}`,
    printed: `address=0x${address.toString(16)} ip=${typeof ip === "bigint" ? `0x${ip.toString(16)}` : ip} error_code=0x${code.toString(16)}`,
    args: [address, typeof ip === "bigint" ? ip : 0n, code],
    text: typeof ip === "bigint" ? "" : ip,
  }));

const fork: fc.Arbitrary<Printed> = fc
  .record({ parent: comm, child: comm, pid, childPid: pid })
  .map(({ parent, child, pid, childPid }) => ({
    event: "sched:sched_process_fork",
    printed: `comm=${parent} pid=${pid} child_comm=${child} child_pid=${childPid}`,
    args: [BigInt(pid), BigInt(childPid)],
    text: child,
  }));

const path = fc
  .oneof(comm, fc.string({ unit: "grapheme-ascii", maxLength: 60 }), fc.constantFrom("/a pid=1 old_pid=2", "/ pid=1 x"))
  .filter((text) => !/[\0\n]/.test(text));
const exec: fc.Arbitrary<Printed> = fc.record({ path, pid, old: pid }).map(({ path, pid, old }) => ({
  event: "sched:sched_process_exec",
  printed: `filename=${path} pid=${pid} old_pid=${old}`,
  args: [BigInt(pid), BigInt(old)],
  text: path,
}));

const processExit: fc.Arbitrary<Printed> = fc
  .record({ name: comm, pid, prio, dead: fc.option(fc.boolean()) })
  .map(({ name, pid, prio, dead }) => ({
    event: "sched:sched_process_exit",
    printed: `comm=${name} pid=${pid} prio=${prio}${dead === null ? "" : ` group_dead=${String(dead)}`}`,
    args: [BigInt(pid), dead === null ? (1n << 64n) - 1n : BigInt(dead)],
    text: "",
  }));

const sched: fc.Arbitrary<Printed> = fc
  .record({
    prev: comm,
    prevPid: pid,
    state: fc.constantFrom("R", "R+", "S", "D", "X", "I"),
    next: comm,
    nextPid: pid,
    prio,
  })
  .map(({ prev, prevPid, state, next, nextPid, prio }) => ({
    event: "sched:sched_switch",
    printed: `prev_comm=${prev} prev_pid=${prevPid} prev_prio=${prio} prev_state=${state} ==> next_comm=${next} next_pid=${nextPid} next_prio=${prio}`,
    args: [BigInt(prevPid), BigInt(state.charCodeAt(0)) | (state.endsWith("+") ? 1n << 32n : 0n), BigInt(nextPid)],
    text: next,
  }));

/** The entry of an exit's call. */
function entryOf(exit: string): string {
  const call = exit.replace("syscalls:sys_exit_", "");
  return `syscalls:sys_enter_${call}: ${SYSCALLS[call]!.map((label) => `${label}: 0x0`).join(", ")}`;
}

/** A line as perf prints it, and the expected event. */
const line = fc
  .record({
    comm,
    tid: fc.integer({ min: -1, max: 4_194_304 }),
    cpu: fc.nat(8191),
    seconds: fc.nat(9_000_000),
    fraction: fc.nat(999_999_999),
    nanoseconds: fc.boolean(),
    printed: fc.oneof(enter, exit, fault, fork, exec, processExit, sched),
  })
  .map(({ comm, tid, cpu, seconds, fraction, nanoseconds, printed: { event, printed, args, text } }) => {
    const unit = nanoseconds ? 1 : 1000;
    const digits = nanoseconds ? 9 : 6;
    const time = `${String(seconds).padStart(5)}.${String(Math.floor(fraction / unit)).padStart(digits, "0")}`;
    const padding = " ".repeat(16 - bytes(comm));
    const columns = `${padding}${comm} ${String(tid).padStart(7)} [${String(cpu).padStart(3, "0")}] ${time.padStart(12)}`;
    const expected: Omit<PlainEvent, "line"> = {
      event,
      comm: comm.replace(/^ +/, ""),
      tid,
      cpu,
      time: seconds * 1e9 + Math.floor(fraction / unit) * unit,
      args,
      text,
    };
    const before = event.startsWith("syscalls:sys_exit_") ? `${columns}: ${entryOf(event)}\n` : "";
    return { text: `${before}${columns}: ${event.padStart(31)}: ${printed}\n`, expected };
  });

describe("an event printed as perf prints it", () => {
  it("is read correctly for every comm, time and CPU", () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
        const text = lines.map(({ text }) => text).join("");
        const { events, summary } = readText(text);
        const ends = lines.map(
          (_, index) =>
            lines
              .slice(0, index + 1)
              .map(({ text }) => text)
              .join("")
              .split("\n").length - 1,
        );
        const read = events.filter(({ line }) => ends.includes(line));
        expect(read).toEqual(lines.map(({ expected }, index) => ({ line: ends[index]!, ...expected })));
        expect(summary.lines).toBe(ends.at(-1));
      }),
      { numRuns: runs(1500) },
    );
  });

  it("is read correctly in chunks of every size", () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 300 }), (lines, chunk) => {
        const text = lines.map(({ text }) => text).join("");
        expect(readText(text, chunk)).toEqual(readText(text));
      }),
      { numRuns: runs(300) },
    );
  });
});

describe("a recorded trace", () => {
  it.each([
    embeddedTrace.trace,
    testdata("odd-names.perf-script.txt.gz"),
    testdata("call-chains.perf-script.txt.gz"),
    testdata("lost-events.perf-script.txt.gz"),
  ])("gives the same result in chunks of several sizes: %s", (path) => {
    const text = unpack(path);
    const whole = readText(text, text.length);
    for (const chunk of [1, 7, 127, 4096, 65_537]) expect(readText(text, chunk)).toEqual(whole);
  });
});
