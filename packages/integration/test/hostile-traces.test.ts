import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { KpkeysError } from "@kpkeys/core";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import type { ReplayResult } from "@kpkeys/workloads";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { hardened } from "./machines.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-hostile-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const line = (tid: number, event: string): string => `  prog ${tid} [000] 1.000000: ${event}\n`;
const call = (tid: number, name: string, args: readonly (readonly [string, string])[], result: string): string =>
  line(tid, `syscalls:sys_enter_${name}: ${args.map(([label, value]) => `${label}: ${value}`).join(", ")}`) +
  line(tid, `syscalls:sys_exit_${name}: ${result}`);

/** Replays text, and looks whether the kernel's own tables survived it. */
async function replay(text: string, machine: Machine = hardened("x86-pks")): Promise<ReplayResult> {
  const path = join(folder, "made.txt");
  writeFileSync(path, text);
  try {
    return await replayFile(machine, path);
  } finally {
    const coverage = coverageOf(machine, machine.scan());
    expect(coverage.gaps).toEqual([]);
    expect(coverage.bySource.unknown.pages).toBe(0);
  }
}

/** The same for text that may be more than a machine holds, or damaged: an error must name the line. */
async function survives(text: string): Promise<void> {
  await replay(text).catch((error: unknown) => {
    if (!(error instanceof KpkeysError)) throw error;
    expect(error.code).toMatch(/^ERR_(OUT_OF_MEMORY|TRACE_LINE|TRACE_EMPTY)$/);
    if (error.code !== "ERR_TRACE_EMPTY") expect(error.message).toMatch(/made\.txt:\d+: /);
  });
}

const BEYOND = ["0xffffffffffffffff", "0x8000000000000000", "0x7ffffffffffff000", "0xffff888000000000"];

describe("a hostile trace", () => {
  it.each(BEYOND)("of calls with %s for address or length is counted as refused, or does nothing", async (value) => {
    const at = "0x7f0000000000";
    const { trace } = await replay(
      [
        call(
          7,
          "mmap",
          [
            ["addr", at],
            ["len", value],
            ["prot", "0x3"],
            ["flags", "0x32"],
            ["fd", "0x0"],
            ["off", "0x0"],
          ],
          value,
        ),
        call(
          7,
          "mmap",
          [
            ["addr", value],
            ["len", value],
            ["prot", "0x3"],
            ["flags", "0x32"],
            ["fd", "0x0"],
            ["off", "0x0"],
          ],
          at,
        ),
        call(
          7,
          "munmap",
          [
            ["addr", value],
            ["len", "0x1000"],
          ],
          "0x0",
        ),
        call(
          7,
          "munmap",
          [
            ["addr", "0x10000"],
            ["len", value],
          ],
          "0x0",
        ),
        call(
          7,
          "mprotect",
          [
            ["start", value],
            ["len", value],
            ["prot", "0x7"],
          ],
          "0x0",
        ),
        call(
          7,
          "mremap",
          [
            ["addr", value],
            ["old_len", value],
            ["new_len", value],
            ["flags", "0x3"],
            ["new_addr", value],
          ],
          value,
        ),
        call(7, "brk", [["brk", value]], value),
        call(
          7,
          "madvise",
          [
            ["start", value],
            ["len_in", value],
            ["behavior", "0x4"],
          ],
          "0x0",
        ),
        line(7, `exceptions:page_fault_user: address=${value} ip=0x0 error_code=0x6`),
      ].join(""),
    );
    expect(trace.events).toBe(17);
    expect(trace.refused).toBeGreaterThan(0);
  });

  it("of forks, exits and execs of unknown threads, and of a thread that forks itself, has processes and no more", async () => {
    const { trace } = await replay(
      [
        line(1, "sched:sched_process_fork: comm=a pid=1 child_comm=b child_pid=1"),
        line(2, "sched:sched_process_fork: comm=a pid=99 child_comm=b child_pid=-5"),
        line(3, "sched:sched_process_exit: comm=a pid=12345 prio=120 group_dead=true"),
        line(4, "sched:sched_process_exec: filename=/bin/x pid=77 old_pid=78"),
        line(
          5,
          "sched:sched_switch: prev_comm=a prev_pid=5 prev_prio=1 prev_state=R ==> next_comm=b next_pid=-9 next_prio=1",
        ),
        line(-1, "syscalls:sys_exit_fork: 0xffffffff"),
      ].join(""),
    );
    expect(trace.processes).toBeLessThan(10);
  });

  it("of more processes than fit in a machine's memory is an error at the line", async () => {
    const forks = Array.from({ length: 20_000 }, (_, i) =>
      line(1, `sched:sched_process_fork: comm=a pid=1 child_comm=b child_pid=${i + 2}`),
    );
    const small = hardened("x86-pks", {}, { memory: [{ bytes: 64 * 1024 ** 2 }] });
    await expect(replay(forks.join(""), small)).rejects.toMatchObject({ code: "ERR_OUT_OF_MEMORY" });
  });

  it("of processes that end leaves nothing of them", async () => {
    const machine = hardened("x86-pks");
    const live = (): number => machine.counters().tablesAllocated - machine.counters().tablesFreed;
    const before = live();
    const lives = Array.from(
      { length: 5000 },
      (_, i) =>
        line(1, `sched:sched_process_fork: comm=a pid=1 child_comm=b child_pid=${i + 2}`) +
        line(i + 2, `sched:sched_process_exit: comm=b pid=${i + 2} prio=120 group_dead=true`),
    );
    const { trace } = await replay(lives.join(""), machine);
    expect(trace.processes).toBe(5001);
    // The first process, which does not end, has but its top-level table.
    expect(live() - before).toBe(1);
  });

  it("of mappings without end is refused beyond what Linux allows", async () => {
    const maps = Array.from({ length: 70_000 }, (_, i) => {
      const at = `0x${(0x100000 + i * 0x2000).toString(16)}`;
      return call(
        7,
        "mmap",
        [
          ["addr", at],
          ["len", "0x1000"],
          ["prot", "0x3"],
          ["flags", "0x32"],
          ["fd", "0x0"],
          ["off", "0x0"],
        ],
        at,
      );
    });
    const { trace } = await replay(maps.join(""));
    expect(trace.refused).toBe(70_000 - 65_530);
  });

  it("made of a real one by changing digits and words is replayed or refused at a line, within a second or so each", async () => {
    const lines = gunzipSync(readFileSync(embeddedTrace.trace)).toString("latin1").split("\n").slice(0, 1200);
    const change = fc.record({
      line: fc.nat({ max: lines.length - 1 }),
      to: fc.constantFrom(
        "0xffffffffffffffff",
        "0x0",
        "0x7fffffffffff",
        "-1",
        "0xfffffffffffff000",
        "0x8000",
        "0x200000",
        "9",
      ),
      which: fc.nat({ max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 60 }), fc.boolean(), async (changes, cut) => {
        const text = [...lines];
        for (const { line, to, which } of changes) {
          // Lines are taken out on the way.
          const at = line % text.length;
          let seen = 0;
          text[at] = text[at]!.replaceAll(/0x[0-9a-f]+|(?<==)\d+/g, (number) => (seen++ === which ? to : number));
          if (cut && which === 8) text.splice(at, 1);
        }
        await survives(`${text.join("\n")}\n`);
      }),
      { numRuns: runs(15) },
    );
  });
});
