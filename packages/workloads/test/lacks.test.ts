import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, describe, test } from "vitest";
import { embeddedTrace, readTrace, replayFile } from "../src/node/index.js";
import { lacksOf } from "../src/replay/lacks.js";
import type { Evidence, LackKind } from "../src/replay/lacks.js";
import { AREA, call, exec, exit, fault, file, fork, machine, mmap, PAGE, recording, replay } from "./support.js";
import type { Line } from "./support.js";

async function lacksIn(lines: readonly Line[]): Promise<LackKind[]> {
  return (await replay(lines)).trace.lacks.map(({ kind }) => kind);
}

const forked = (): Line[] => {
  const [enter, leave] = call(7, "fork", {}, 8);
  return [enter!, fork(7, 8), leave!];
};
const SWITCH: Line = [
  7,
  "sched:sched_switch: prev_comm=prog prev_pid=7 prev_prio=120 prev_state=R ==> next_comm=prog next_pid=8 next_prio=120",
];
const execve = (): Line[] => {
  const [enter, leave] = call(7, "execve", { filename: 1, argv: 1, envp: 1 }, 0);
  return [enter!, exec(7), leave!];
};
/** A complete recording of two processes. */
const WHOLE: readonly Line[] = [
  ...execve(),
  ...mmap(7, AREA, 2),
  fault(7, AREA),
  ...forked(),
  SWITCH,
  fault(8, AREA),
  ...exit(8),
  ...exit(7),
];
const without = (part: RegExp): Line[] => WHOLE.filter(([, event]) => !part.test(event));

describe("a recording lacks", () => {
  test("nothing if it has all kinds of events, or no evidence of missing ones", async () => {
    expect(await lacksIn(WHOLE)).toEqual([]);
    expect(await lacksIn([...mmap(7, AREA, 1), fault(7, AREA)])).toEqual([]);
  });

  test.each([
    ["page-faults", /page_fault/],
    ["mappings", /sys_(enter|exit)_mmap/],
    ["mappings", /sys_enter_mmap/],
    ["mappings", /sys_exit_mmap/],
    ["forks", /process_fork/],
    ["exits", /process_exit/],
    ["exec", /process_exec/],
    ["switches", /sched_switch/],
  ] as const)("%s without the lines of %s", async (kind, part) => {
    expect(await lacksIn(without(part))).toEqual([kind]);
  });

  test("forks if two threads have no fork event and no pid", async () => {
    const lines = [...mmap(7, AREA, 1), fault(7, AREA), ...mmap(8, AREA, 1), fault(8, AREA)];
    expect(await lacksIn(lines)).toContain("forks");
  });

  test("no exits if only a part of it is replayed", async () => {
    const { trace } = await replay(WHOLE, { until: { events: 8 } });
    expect(trace.lacks.map(({ kind }) => kind)).not.toContain("exits");
  });

  test("addresses of page faults if all samples are without an address", () => {
    const evidence: Evidence = {
      summary: {
        kinds: { sys_enter_mmap: 1, sys_exit_mmap: 1 },
        form: "tracepoints",
        unused: { "page fault without its address": 3 },
      },
      threads: 1,
      unforked: 1,
      execs: 0,
      whole: true,
    };
    expect(lacksOf(evidence).map(({ kind }) => kind)).toEqual(["page-fault-addresses"]);
    const traced = {
      ...evidence,
      summary: { ...evidence.summary, kinds: { ...evidence.summary.kinds, page_fault_user: 1 } },
    };
    expect(lacksOf(traced)).toEqual([]);
  });

  test("page faults if it is from strace, with the reason in the limits of the form", async () => {
    const text =
      '7 1.000000 execve("/bin/x", ["x"], 0x1 /* 1 var */) = 0\n7 1.000100 brk(NULL) = 0x10000000\n7 1.000200 +++ exited with 0 +++\n';
    const summary = await readTrace(file("made.strace.txt", text), () => undefined);
    const [lack] = lacksOf({ summary, threads: 1, unforked: 1, execs: 1, whole: true });
    expect(lack!.kind).toBe("page-faults");
    expect(summary.limits).toContain(lack!.reason);
  });

  test("page faults if those of the bundled recording are removed", async () => {
    const text = gunzipSync(readFileSync(embeddedTrace.trace)).toString("latin1");
    const lines = text.split("\n").filter((line) => !line.includes("page_fault"));
    const summary = await readTrace(file("no-faults.perf-script.txt", lines.join("\n")), () => undefined);
    expect(lacksOf({ summary, threads: 5, unforked: 1, execs: 4, whole: true }).map(({ kind }) => kind)).toEqual([
      "page-faults",
    ]);
  });
});

test("a call with only an entry or only an exit is not replayed", async () => {
  const unmapped = call(7, "munmap", { addr: AREA, len: PAGE }, 0);
  const mapped = mmap(7, AREA, 1);
  // An entry of mmap without its exit, and an exit of munmap without its entry.
  const { trace, unexplainedFaults } = await replay([exec(7), ...mapped, mapped[0]!, unmapped[1]!, fault(7, AREA)]);
  expect({ refused: trace.refused, unexplainedFaults }).toEqual({ refused: 0, unexplainedFaults: 0 });
});

describe("the number of lines is the sum of event lines, comments, blank lines and unused lines", () => {
  const { length } = WHOLE;

  test.each([
    [
      "perf script",
      "made.perf-script.txt",
      `# a comment\n\n${textOf(WHOLE, [7, "sched:sched_wakeup: x"])}`,
      [length, 1, 1, 1],
    ],
    [
      "a call without its end",
      "made.perf-script.txt",
      textOf(WHOLE, [7, "syscalls:sys_enter_vfork:"], exec(7)),
      [length + 1, 0, 0, 1],
    ],
    [
      "strace",
      "made.strace",
      "7 brk(NULL) = 0x1000\n\n7 getpid() = 7\n7 brk(0x1000 <unfinished ...>\n7 <... brk resumed>) = 0x1000\n",
      [3, 0, 1, 1],
    ],
  ])("of %s", async (_, name, text, counts) => {
    const { trace } = await replayFile(machine(), file(name, text));
    const unused = Object.values(trace.unused).reduce((sum, lines) => sum + lines, 0);
    expect([trace.eventLines, trace.comments, trace.blanks, unused]).toEqual(counts);
    expect(trace.eventLines + trace.comments + trace.blanks + unused).toBe(trace.lines);
  });
});

function textOf(lines: readonly Line[], ...more: readonly Line[]): string {
  return readFileSync(recording(...lines, ...more), "utf8");
}
