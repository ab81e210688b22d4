import { KpkeysError } from "@kpkeys/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { embeddedTrace } from "../src/index.js";
import { readText, testdata, unpack } from "./perf-script-oracle.js";

/** Some lines of each kind of text that there is. */
const SAMPLES = [
  embeddedTrace.trace,
  ...["odd-names", "call-chains", "lost-events"].map((name) => testdata(`${name}.perf-script.txt.gz`)),
].map((path) => {
  const text = unpack(path);
  return Buffer.from(text.subarray(0, text.indexOf(10, 12_000) + 1));
});

/** A change to bytes: at a place (of 1), so many bytes are replaced by others. */
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

/** Reads text that may be damaged: either every line is accounted for, or it is refused in one printable line that names the line. */
function accountsFor(text: Uint8Array, chunk: number): void {
  try {
    const { events, summary } = readText(text, chunk);
    const unused = Object.values(summary.unused).reduce((sum, count) => sum + count, 0);
    expect(summary.events).toBe(events.length);
    expect(summary.eventLines).toBe(events.length - (summary.unused["call without its end"] ?? 0));
    expect(Object.values(summary.kinds).reduce((sum, count) => sum + count, 0)).toBe(summary.events);
    expect(summary.lines).toBe(summary.eventLines + summary.comments + summary.blanks + unused);
  } catch (error) {
    if (!(error instanceof KpkeysError)) throw error;
    expect(error.code).toMatch(/^ERR_TRACE_(LINE|EMPTY)$/);
    expect(error.message).toMatch(/^trace\.txt(:\d+)?: [ -~…]+; expected [ -~]+$/);
  }
}

describe("a damaged trace", () => {
  it("is read in full or refused at a line, never anything else", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SAMPLES),
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 9000 }),
        (sample, damages, chunk) => {
          accountsFor(damages.reduce(apply, sample), chunk);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("of random bytes is refused or counted", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (text) => {
        accountsFor(text, 512);
      }),
      { numRuns: 300 },
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
  ])("of lines of a mebibyte of %s does not hang", (_, unit) => {
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
      const before = performance.now();
      accountsFor(Buffer.from(`${good}${line}\n`), 1 << 18);
      expect(performance.now() - before).toBeLessThan(2000);
    }
  });

  it("of more names of events than memory should hold keeps a thousand of them", () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `${start}made:up_${index}: \n`);
    const { summary } = readText(`${good}${lines.join("")}`);
    expect(Object.keys(summary.unused)).toHaveLength(1001);
    expect(summary.unused["others"]).toBe(2000);
  });

  it("may have events whose names begin like ours", () => {
    const fault = (name: string): string => `${start}${name}: address=0x1 ip=0x2 error_code=0x4\n`;
    const name = "exceptions:page_fault_user";
    const { summary } = readText(fault(name) + fault(`${name}:other`) + fault(name) + fault(`${name}_`));
    expect(summary).toMatchObject({ events: 2, unused: { [`${name}:other`]: 1, [`${name}_`]: 1 } });
  });

  it("may name events like properties of objects", () => {
    const { summary } = readText(`${good}${start}__proto__: \n${start}constructor: \n`);
    expect(Object.entries(summary.unused)).toEqual([
      ["__proto__", 1],
      ["constructor", 1],
    ]);
  });
});
