import { Observers } from "@kpkeys/core/contracts";
import type { Observer } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES } from "./machines.js";
import { sequence } from "./sequences/operations.js";
import type { Op } from "./sequences/operations.js";
import { Run } from "./sequences/run.js";

const MOMENTS: Record<keyof Observer, true> = {
  walkStep: true,
  tlbFill: true,
  tlbFlush: true,
  registerWrite: true,
  barrier: true,
  unsynchronisedAccess: true,
  fault: true,
  context: true,
  lazyMmu: true,
  tablePage: true,
  taskSwitch: true,
};

/** An observer that notes every moment, as a text because reports are overwritten. @param before - called before each is noted */
function noting(seen: string[], before: (count: number) => void = () => undefined): Observer {
  const note = (name: string, args: readonly unknown[]): void => {
    before(seen.length);
    seen.push(JSON.stringify([name, ...args]));
  };
  return Object.fromEntries(
    Object.keys(MOMENTS).map((name) => [
      name,
      (...args: readonly unknown[]) => {
        note(name, args);
      },
    ]),
  );
}

const start = (arch: string): Run => new Run(arch, 2, { batching: true }, { exceptionEntry: "inherit" });

/** Does the operations; `at` is called before that of the number, or after all. */
function carryOut(run: Run, ops: readonly Op[], number = -1, at: () => void = () => undefined): void {
  ops.forEach((op, index) => {
    if (index === number) at();
    run.top(op);
  });
  if (number >= ops.length) at();
}

/** Carries out the operations with an observer attached. @returns the moments, and the number of moments before each operation */
function observedFromTheStart(arch: string, ops: readonly Op[]): { run: Run; seen: string[]; begins: number[] } {
  const run = start(arch);
  const seen: string[] = [];
  const begins: number[] = [];
  run.machine.get(Observers).attach(noting(seen));
  for (const op of ops) {
    begins.push(seen.length);
    run.top(op);
  }
  return { run, seen, begins: [...begins, seen.length] };
}

/** An operation that writes page tables. Each property has this case too: ten random sequences may end before their observer is attached. */
const EVENTFUL: readonly Op[] = [{ op: "vmalloc", pages: 2 }];

describe.each(ARCHES)("a machine on %s", (arch) => {
  it("that is observed from any operation on reports the same moments from there on, and has the same tables", () => {
    let moments = 0;
    fc.assert(
      fc.property(sequence, fc.nat(30), (ops, place) => {
        const first = place % (ops.length + 1);
        const all = observedFromTheStart(arch, ops);
        const unobserved = start(arch);
        carryOut(unobserved, ops);
        const late = start(arch);
        const seen: string[] = [];
        carryOut(late, ops, first, () => late.machine.get(Observers).attach(noting(seen)));
        expect(seen).toEqual(all.seen.slice(all.begins[first]));
        const digests = [all.run, unobserved, late].map(({ machine }) => machine.digestTables());
        expect(new Set(digests).size).toBe(1);
        expect(all.run.machine.counters()).toEqual(unobserved.machine.counters());
        moments += seen.length;
      }),
      { numRuns: runs(50), examples: [[[...EVENTFUL], 0]] },
    );
    expect(moments).toBeGreaterThan(0);
  });

  it("reports the same moments to an observer between any two of them", () => {
    let moments = 0;
    fc.assert(
      fc.property(sequence, fc.nat(300), fc.nat(300), (ops, first, length) => {
        const run = start(arch);
        const observers = run.machine.get(Observers);
        const all: string[] = [];
        const some: string[] = [];
        let detach: (() => void) | undefined;
        observers.attach(
          noting(all, (count) => {
            if (count === first) detach = observers.attach(noting(some));
            if (count === first + length) detach?.();
          }),
        );
        carryOut(run, ops);
        expect(some).toEqual(all.slice(first + 1, Math.max(first + 1, first + length)));
        moments += some.length;
      }),
      { numRuns: runs(50), examples: [[[...EVENTFUL], 0, 300]] },
    );
    expect(moments).toBeGreaterThan(0);
  });
});
