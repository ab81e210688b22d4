import { KpkeysError, printable } from "@kpkeys/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { embeddedTrace } from "../src/node/index.js";
import { expectAccounted, readText, testdata, unpack } from "./perf-script-oracle.js";
import { processorSeconds } from "./support.js";

/** Lines of each sample recording. */
const SAMPLES = [
  embeddedTrace.trace,
  ...["odd-names", "call-chains", "lost-events"].map((name) => testdata(`${name}.perf-script.txt.gz`)),
].map((path) => {
  const text = unpack(path);
  return Buffer.from(text.subarray(0, text.indexOf(10, 12_000) + 1));
});

/** Lines of every form of text. */
const FORMS: readonly string[] = [
  `             gcc 21524 [001]   995.663590: syscalls:sys_enter_mmap: addr: 0x0, len: 0x2000, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0
             gcc 21524 [001]   995.663591: syscalls:sys_exit_mmap: 0x7f1b7f322000               0
             gcc 21524 [001]   995.663592: exceptions:page_fault_user: address=0x7f1b7f322110 ip=0x401000 error_code=0x6
             gcc 21524 [001]   995.663592:          1 page-faults:u:     7f1b7f322110 main+0x0 (/bin/a b) ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
             gcc 21524 [001]   995.663592:          9 minor-faults:  ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
             gcc 21524 [001]   995.663593: raw_syscalls:sys_enter: NR 11 (7f1b7f322000, 2000, 0, 0, 0, 0)
             gcc 21524 [001]   995.663594: raw_syscalls:sys_exit: NR 11 = -22
             gcc 21524 [001]   995.663595: syscalls:sys_enter_execve: filename: 0x1 "/bin/a, b", argv: 0x2, envp: 0x3
             gcc 21524 [001]   995.663596: sched:sched_process_exec: filename=/bin/a pid=21524 old_pid=21525
             gcc 21524 [001]   995.663597: sched:sched_process_fork: comm=gcc pid=21524 child_comm=as child_pid=21525
             gcc 21524 [001]   995.663598: sched:sched_process_exit: comm=gcc pid=21524 prio=120
             gcc 21525 [001]   995.663599: PERF_RECORD_LOST lost 7`,
  `gcc 21524/21524 [001] 995.663590: syscalls:sys_enter_brk:u: brk: 0x0
\t    7f5a6c0e4f3b brk+0xb (/usr/lib/libc.so.6)
  brk.c:31
# arch : x86_64`,
  `             gcc-21524   (21524) [001] d..1.   995.663590: sys_munmap(addr: 7f1b7f322000, len: 2000)
             gcc-21524   (21524) [001] d..1.   995.663591: sys_munmap -> 0x0
[  352.772408] gcc-21524   1d..1. 346277983us : page_fault_kernel: address=0x1000 ip=demo [mod] error_code=0x2
[  352.772409] Dumping ftrace buffer:
CPU:1 [LOST 12 EVENTS]
     0.045 a.out/7001 exceptions:page_fault_user(address: 0x5706a430, ip: 4195786, error_code: 6)
addr2line_init failed for /usr/lib/libc.so`,
];

/** A change: at a place (0 to 1 of the text), bytes are replaced by others. */
const damage = fc.record({
  place: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.nat(3), fc.nat(200)),
  inserted: fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc
      .constantFrom("\n", " ", "\t", "0x", "pid=", ": ", "#", "PERF_RECORD_LOST ", "[", "9".repeat(40))
      .map((text) => Buffer.from(text)),
  ),
});

function apply(
  text: Buffer,
  { place, removed, inserted }: { place: number; removed: number; inserted: Uint8Array },
): Buffer {
  const at = Math.floor(place * text.length);
  return Buffer.concat([text.subarray(0, at), inserted, text.subarray(at + removed)]);
}

/** Reads text that may be damaged: either every line is in one count, or the error is one printable line with the place. */
function accountsFor(text: Uint8Array, chunk: number): void {
  try {
    const { events, summary } = readText(text, chunk);
    expect(summary.events).toBe(events.length);
    expect(summary.eventLines).toBe(events.length - (summary.unused["call without its end"] ?? 0));
    expect(Object.values(summary.kinds).reduce((sum, count) => sum + count, 0)).toBe(summary.events);
    expectAccounted(summary);
  } catch (error) {
    if (!(error instanceof KpkeysError)) throw error;
    expect(error.code).toMatch(/^ERR_TRACE_(LINE|EMPTY)$/);
    expect(error.where).toMatch(/^trace\.txt(:\d+)?$/);
    expect(printable(error.message)).toBe(error.message);
  }
}

describe("a damaged trace", () => {
  it("is read to its end, or is an error with a line", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SAMPLES),
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 9000 }),
        (sample, damages, chunk) => {
          accountsFor(damages.reduce(apply, sample), chunk);
        },
      ),
      { numRuns: runs(1500) },
    );
  });

  it("with lines doubled, dropped, joined, reordered or changed gives the same result in any chunks", () => {
    const lines = FORMS.flatMap((text) => text.split("\n").filter((line) => line !== ""));
    const words = [...new Set(lines.flatMap((line) => line.split(/(?<=[ =:,(])/)))];
    const piece = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...lines).map((line) => `${line}\n`) },
      { weight: 1, arbitrary: fc.constantFrom(...lines) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom(...lines), fc.nat(20), fc.constantFrom(...words, "", "0x", "-1", "\0", '"'))
          .map(([line, at, word]) => {
            const parts = line.split(/(?<=[ =:,(])/);
            return `${parts.map((part, index) => (index === at % parts.length ? word : part)).join("")}\n`;
          }),
      },
    );
    const outcome = (text: Uint8Array, chunk: number): unknown => {
      try {
        return readText(text, chunk);
      } catch (error) {
        return (error as Error).message;
      }
    };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 500 }), (pieces, chunk) => {
        const text = Buffer.from(pieces.join(""));
        accountsFor(text, chunk);
        expect(outcome(text, chunk)).toEqual(outcome(text, text.length + 1));
      }),
      { numRuns: runs(500) },
    );
  });

  it("of random bytes is counted or is an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (text) => {
        accountsFor(text, 512);
      }),
      { numRuns: runs(300) },
    );
  });
});

describe("a hostile trace", () => {
  const start = "             gcc 21524 [001]   995.663590: ";
  const MEBIBYTE = 1 << 20;
  const good = `${start}syscalls:sys_enter_brk: brk: 0x0\n`;

  it.each([
    ["spaces", " "],
    ["digits", "1"],
    ["digits and spaces", "1 "],
    ["columns", "1 [000] 1.000000 "],
    ["files", " pid=1 old_pid=1"],
    ["switches", " prev_pid=1 prev_prio=1 prev_state=R ==> next_comm="],
    ["forks", " pid=1 child_comm="],
    ["labels", "addr: 0x1, "],
    ["hexadecimal digits", "f"],
    ["names", "sys_exit_brk: "],
    ["groups and names", "(1) sys_exit_brk: ) "],
    ["threads and names", "1 a "],
  ])("with lines of 1 MiB of %s is read in linear time", (_, unit) => {
    for (const front of [
      "",
      " ".repeat(MEBIBYTE / 2),
      start,
      `${start}sched:sched_process_exec: filename=`,
      `${start}sched:sched_switch: prev_comm=`,
      `${start}sched:sched_process_fork: comm=`,
      `${start}syscalls:sys_enter_mmap: `,
      `${start}exceptions:page_fault_user: address=0x`,
    ]) {
      const line = (front + unit.repeat(MEBIBYTE / unit.length)).slice(0, MEBIBYTE - 1);
      const text = Buffer.from(`${good}${line}\n`);
      const seconds = processorSeconds(() => {
        accountsFor(text, 1 << 18);
      });
      expect(seconds).toBeLessThan(20);
    }
  });

  it("with too many event names keeps 1,000 of them", () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `${start}made:up_${index}: \n`);
    const { summary } = readText(`${good}${lines.join("")}`);
    expect(Object.keys(summary.unused)).toHaveLength(1001);
    expect(summary.unused["others"]).toBe(2000);
  });

  it("may have event names that begin like known ones", () => {
    const fault = (name: string): string => `${start}${name}: address=0x1 ip=0x2 error_code=0x4\n`;
    const name = "exceptions:page_fault_user";
    const { summary } = readText(fault(name) + fault(`${name}:other`) + fault(name) + fault(`${name}_`));
    expect(summary).toMatchObject({ events: 2, unused: { [`${name}:other`]: 1, [`${name}_`]: 1 } });
  });

  it("may have event names like properties of objects", () => {
    const { summary } = readText(`${good}${start}__proto__: \n${start}constructor: \n`);
    expect(Object.entries(summary.unused)).toEqual([
      ["__proto__", 1],
      ["constructor", 1],
    ]);
  });
});
