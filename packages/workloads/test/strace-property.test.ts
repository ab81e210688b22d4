import { KpkeysError } from "@kpkeys/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { expectAccounted, type PlainEvent, readText, unusedOf } from "./perf-script-oracle.js";
import { type Expected, form, step, write } from "./strace-writer.js";

const found = (events: readonly PlainEvent[]): Expected[] =>
  events.map(({ event, tid, args }) => [event.replace(/.*:/, ""), tid, args]);

/** A first call, so that the form of the text is strace from its first line on. */
const FIRST = "999 munlockall() = 0\n";
const FIRST_EVENTS: Expected[] = [
  ["sys_enter_munlockall", 999, []],
  ["sys_exit_munlockall", 999, [0n]],
];

describe("the text of strace for random calls", () => {
  it("is read correctly in every form and in chunks of every size", () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        form,
        fc.integer({ min: 1, max: 200 }),
        (steps, how, chunk) => {
          const { lines, events, unused } = write(steps, how);
          const read = readText(`${FIRST}${lines.join("\n")}\n`, chunk);
          expect(found(read.events)).toEqual([...FIRST_EVENTS, ...events]);
          expect(read.summary).toMatchObject({ form: "strace", lines: lines.length + 1, unreadable: 0 });
          expect(unusedOf(read.summary)).toBe(unused);
          expectAccounted(read.summary);
        },
      ),
      { numRuns: runs(1000) },
    );
  });

  it("cut at any byte is counted, or is an error in its last line", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 3 }), form, (steps, how) => {
        const { lines, events } = write(steps, how);
        const text = new TextEncoder().encode(`${FIRST}${lines.join("\n")}\n`);
        for (let length = FIRST.length; length < text.length; length++) {
          const cut = text.subarray(0, length);
          const wholeLines = cut.filter((byte) => byte === 10).length;
          try {
            const read = readText(cut);
            expectAccounted(read.summary);
            const whole = read.events.filter(({ line }) => line > 1 && line <= wholeLines);
            expect(found(whole)).toEqual(events.slice(0, whole.length));
          } catch (error) {
            if (!(error instanceof KpkeysError)) throw error;
            expect(error).toMatchObject({ code: "ERR_TRACE_LINE", where: `trace.txt:${wholeLines + 1}` });
          }
        }
      }),
      { numRuns: runs(25) },
    );
  });
});
