import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventKind, TraceEvent } from "../src/reader/event.js";
import { Sample } from "../src/replay/sample.js";

type Kind = keyof typeof EventKind;
/** Kind, tid, and up to three arguments. */
type Step = readonly [Kind, number, ...number[]];

function eventOf([kind, tid, ...args]: Step): TraceEvent {
  const event = new TraceEvent();
  event.kind = EventKind[kind];
  event.tid = tid;
  args.forEach((arg, slot) => {
    event.argHigh[slot] = arg < 0 ? -1 : 0;
    event.argLow[slot] = arg;
  });
  return event;
}

const NAMES = Object.keys(EventKind) as Kind[];

/** Samples the steps. @returns the events passed on, and the counts */
function sampled(every: number, seed: number, steps: readonly Step[]) {
  const passed: (readonly [Kind, number])[] = [];
  const sample = new Sample({ every, seed }, ({ kind, tid }) => passed.push([NAMES[kind]!, tid]));
  for (const step of steps) sample.push(eventOf(step));
  return { passed, ...sample.counts };
}

const EXEC: readonly Step[] = [
  ["sys_enter_execve", 2],
  ["page_fault_kernel", 2, 0x1000, 0, 0],
  ["page_fault_kernel", 2, 0x7ffc0000, 0, 2],
  ["sched_process_exec", 2, 2, 2],
  ["sys_exit_execve", 2, 0],
  ["page_fault_user", 2, 0x400000],
];
const LIFE: readonly Step[] = [
  ["page_fault_user", 1, 0x1000],
  ["sys_enter_fork", 1],
  ["sched_process_fork", 1, 1, 2],
  ["page_fault_user", 2, 0x1000],
  ...EXEC,
  ["sched_process_exit", 2, 2],
  ["page_fault_user", 1, 0x2000],
];

/** A seed for a sample of one in two programs whose first draws are the given ones. */
function seedFor(...draws: boolean[]): number {
  for (let seed = 0; ; seed++) {
    const taken: number[] = [];
    const sample = new Sample({ every: 2, seed }, ({ tid }) => taken.push(tid));
    draws.forEach((_, tid) => {
      sample.push(eventOf(["page_fault_user", tid + 1]));
    });
    if (draws.every((wanted, tid) => taken.includes(tid + 1) === wanted)) return seed;
  }
}

describe("a sample of one in two programs", () => {
  test("drops a child at its execve of a program outside the sample, and keeps its earlier events", () => {
    const { passed, met, taken } = sampled(2, seedFor(true, false), LIFE);
    expect({ met, taken }).toEqual({ met: 2, taken: 1 });
    expect(passed).toEqual([
      ["page_fault_user", 1],
      ["sys_enter_fork", 1],
      ["sched_process_fork", 1],
      ["page_fault_user", 2],
      ["sys_enter_execve", 2],
      ["page_fault_kernel", 2],
      ["sched_process_exit", 2],
      ["page_fault_user", 1],
    ]);
  });

  test("includes a program from the first write to its new address space", () => {
    const { passed, met, taken, events } = sampled(2, seedFor(false, true), LIFE);
    expect({ met, taken }).toEqual({ met: 2, taken: 1 });
    expect(passed).toEqual([
      ["sys_enter_execve", 2],
      ["page_fault_kernel", 2],
      ["sched_process_exec", 2],
      ["sys_exit_execve", 2],
      ["page_fault_user", 2],
      ["sched_process_exit", 2],
    ]);
    expect(events).toBe(5);
  });

  test("includes a program from the end of its execve if the trace has no such write", () => {
    const quiet = LIFE.filter(([kind]) => kind !== "page_fault_kernel");
    const { passed, met, taken } = sampled(2, seedFor(false, true), quiet);
    expect({ met, taken }).toEqual({ met: 2, taken: 1 });
    expect(passed.slice(0, 2)).toEqual([
      ["sys_enter_execve", 2],
      ["sched_process_exec", 2],
    ]);
  });

  test("assigns a kernel write outside execve to the current program", () => {
    const write: Step = ["page_fault_kernel", 1, 0x1000, 0, 2];
    expect(sampled(2, seedFor(true), [write]).passed).toEqual([["page_fault_kernel", 1]]);
    expect(sampled(2, seedFor(false), [write]).passed).toEqual([]);
  });

  test("includes nothing of an execve that fails before its first write, and drops one that fails later", () => {
    const failing = (...between: Step[]): readonly Step[] => [
      ["page_fault_user", 1, 0x1000],
      ["sys_enter_execve", 1],
      ...between,
      ["sys_exit_execve", 1, -2],
      ["page_fault_user", 1, 0x2000],
    ];
    const secondSampled = seedFor(false, true);
    expect(sampled(2, secondSampled, failing()).passed).toEqual([]);
    expect(
      sampled(2, secondSampled, failing(["page_fault_kernel", 1, 0x7ffc0000, 0, 2])).passed.map(([kind]) => kind),
    ).toEqual(["sys_enter_execve", "page_fault_kernel", "sched_process_exit"]);
    expect(sampled(2, seedFor(true, false), failing()).passed).toHaveLength(4);
  });

  test("ends a sampled thread if a child outside the sample gets its tid", () => {
    const { passed } = sampled(2, seedFor(true, false), [
      ["page_fault_user", 1],
      ["page_fault_user", 2],
      ["sched_process_fork", 2, 2, 1],
      ["page_fault_user", 1],
    ]);
    expect(passed).toEqual([
      ["page_fault_user", 1],
      ["sched_process_exit", 2],
    ]);
  });

  test("passes on the switches from and to sampled threads", () => {
    const { passed } = sampled(2, seedFor(true, false, false), [
      ["page_fault_user", 1],
      ["page_fault_user", 2],
      ["page_fault_user", 3],
      ["sched_switch", 2, 0, 0, 3],
      ["sched_switch", 1, 0, 0, 2],
      ["sched_switch", 2, 0, 0, 1],
    ]);
    expect(passed.filter(([kind]) => kind === "sched_switch")).toHaveLength(2);
  });
});

test("a sample of one in n has about that share of the programs, and all of them for n = 1", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(), (every, seed) => {
      const steps = Array.from({ length: 4000 }, (_, tid): Step => ["page_fault_user", tid + 1]);
      const { met, taken } = sampled(every, seed, steps);
      expect(met).toBe(4000);
      const expected = 4000 / every;
      expect(Math.abs(taken - expected)).toBeLessThanOrEqual(6 * Math.sqrt(expected));
    }),
    { numRuns: 30 },
  );
});
