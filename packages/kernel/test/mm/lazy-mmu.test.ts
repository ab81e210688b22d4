import { Exceptions, LazyMmu, PageTables } from "@kpkeys/core/contracts";
import type { Observer } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { KernelLazyMmu } from "../../src/mm/lazy-mmu.js";
import type { Machine } from "../../src/machine/machine.js";
import { pgtableVariant } from "../support/arches.js";
import { boot, kernelService, record } from "../support/machine.js";
import type { Call } from "../support/machine.js";

/** A machine with two features that record the calls of their lazy MMU handlers. */
function start(elides = true): {
  lazy: KernelLazyMmu;
  machine: Machine;
  calls: Call[];
  seen: unknown[];
  barrier: () => void;
} {
  const calls: Call[] = [];
  const seen: unknown[] = [];
  const observer: Observer = { lazyMmu: (cpu, active) => seen.push([cpu, active]) };
  const machine = boot(
    {},
    {
      arch: pgtableVariant({ lazyLeaveElidesBarrier: elides }),
      observer,
      attach: (points) => {
        record(["lazyMmuEnter", "lazyMmuLeave"], calls, 1)(points);
        record(["lazyMmuEnter", "lazyMmuLeave"], calls, 2)(points);
      },
    },
  );
  calls.length = seen.length = 0;
  const tables = machine.get(PageTables);
  const table = tables.allocTable("kernel")!;
  const barrier = (): void => {
    tables.setPte(table, 0, { high: 0, low: 0 });
  };
  return { lazy: kernelService(machine, LazyMmu, KernelLazyMmu), machine, calls, seen, barrier };
}

const ENTER: Call[] = [["lazyMmuEnter"], ["lazyMmuEnter"]];
const leave = (barrierFollows: boolean): Call[] => [
  ["lazyMmuLeave", 2, barrierFollows],
  ["lazyMmuLeave", 1, barrierFollows],
];

/** The elements that a call adds to a list. */
function during(list: unknown[], act: () => void): unknown[] {
  const before = list.length;
  act();
  return list.slice(before);
}

describe("a lazy MMU section", () => {
  it("is entered and left by the outermost calls; features leave in reverse order, each with its state", () => {
    const { lazy, calls, seen } = start();
    const states: boolean[] = [];
    const note = (): void => void states.push(lazy.isActive(), lazy.isEnabled());
    note();
    expect(
      during(calls, () => {
        lazy.enable();
      }),
    ).toEqual(ENTER);
    note();
    expect(
      during(calls, () => {
        lazy.enable();
      }),
    ).toEqual([]);
    expect(
      during(calls, () => {
        lazy.disable();
      }),
    ).toEqual([]);
    note();
    expect(
      during(calls, () => {
        lazy.disable();
      }),
    ).toEqual(leave(false));
    note();
    expect(states).toEqual([false, false, true, true, true, true, false, false]);
    expect([seen, lazy.warnings]).toEqual([
      [
        [0, true],
        [0, false],
      ],
      0,
    ]);
  });

  it("defers barriers to its end and notifies features of a following barrier", () => {
    for (const elides of [true, false]) {
      const { lazy, machine, calls, barrier } = start(elides);
      const emitted = (): number => machine.counters().setterBarriers;
      const before = emitted();
      barrier();
      expect(emitted() - before).toBe(1);
      lazy.enable();
      barrier();
      barrier();
      expect(emitted() - before).toBe(1);
      expect(
        during(calls, () => {
          lazy.disable();
        }),
      ).toEqual(leave(elides));
      expect(emitted() - before).toBe(2);
      lazy.enable();
      lazy.disable();
      expect(emitted() - before).toBe(2);
    }
  });

  it("flushes at the end of a nested section", () => {
    const { lazy, machine, barrier } = start();
    const before = machine.counters().setterBarriers;
    lazy.enable();
    lazy.enable();
    barrier();
    lazy.disable();
    expect(machine.counters().setterBarriers - before).toBe(1);
    lazy.disable();
    expect(machine.counters().setterBarriers - before).toBe(1);
  });

  it("is left at the first pause and entered at the last resume", () => {
    const { lazy, calls, seen, barrier, machine } = start();
    lazy.enable();
    barrier();
    const before = machine.counters().setterBarriers;
    expect(
      during(calls, () => {
        lazy.pause();
      }),
    ).toEqual(leave(true));
    expect(machine.counters().setterBarriers - before).toBe(1);
    expect(
      during(calls, () => {
        lazy.pause();
        lazy.enable();
        lazy.disable();
        lazy.resume();
      }),
    ).toEqual([]);
    expect([lazy.isActive(), lazy.isEnabled()]).toEqual([false, false]);
    barrier();
    expect(machine.counters().setterBarriers - before).toBe(2);
    expect(
      during(calls, () => {
        lazy.resume();
      }),
    ).toEqual(ENTER);
    expect([lazy.isActive(), lazy.isEnabled()]).toEqual([true, true]);
    lazy.disable();
    expect(seen).toEqual([
      [0, true],
      [0, false],
      [0, true],
      [0, false],
    ]);
    expect(
      during(calls, () => {
        lazy.pause();
        lazy.resume();
      }),
    ).toEqual([]);
    expect(lazy.warnings).toBe(0);
  });

  it("is inactive in interrupt: calls do not count, and barriers are emitted immediately", () => {
    const { lazy, machine, calls, barrier } = start();
    lazy.enable();
    const before = machine.counters().setterBarriers;
    machine.get(Exceptions).interrupt(() => {
      expect([lazy.isActive(), lazy.isEnabled(), lazy.inInterrupt()]).toEqual([false, true, true]);
      expect(
        during(calls, () => {
          lazy.disable();
          lazy.enable();
          lazy.enable();
          lazy.pause();
          lazy.resume();
          lazy.pause();
        }),
      ).toEqual([]);
      machine.get(Exceptions).interrupt(barrier);
      barrier();
      expect(machine.counters().setterBarriers - before).toBe(2);
    });
    expect([lazy.isActive(), lazy.inInterrupt()]).toEqual([true, false]);
    expect(
      during(calls, () => {
        lazy.disable();
      }),
    ).toEqual(leave(false));
    lazy.disable();
    expect(lazy.warnings).toBe(1);
  });

  it("is paused by an exception at any interrupt depth", () => {
    const { lazy, calls } = start();
    lazy.enable();
    lazy.enterInterrupt();
    expect(
      during(calls, () => {
        lazy.pauseForException();
      }),
    ).toEqual(leave(false));
    expect(
      during(calls, () => {
        lazy.resumeAfterException();
      }),
    ).toEqual(ENTER);
    lazy.leaveInterrupt();
    expect(lazy.isActive()).toBe(true);
  });
});

describe("the counts of type u8", () => {
  it("warn and wrap at the 256th enable and at an unbalanced disable", () => {
    const { lazy, calls } = start();
    for (let i = 0; i < 255; i++) lazy.enable();
    expect([lazy.warnings, lazy.isActive(), calls]).toEqual([0, true, ENTER]);
    lazy.enable();
    expect([lazy.warnings, lazy.isActive()]).toEqual([1, false]);
    lazy.disable();
    expect([lazy.warnings, lazy.isActive()]).toEqual([2, true]);
    expect(calls).toEqual(ENTER);
    for (let i = 0; i < 255; i++) lazy.disable();
    expect([lazy.warnings, lazy.isActive(), calls.length]).toEqual([2, false, 4]);
  });

  it("warn and wrap at the 256th pause and at an unbalanced resume", () => {
    const { lazy, calls } = start();
    lazy.enable();
    calls.length = 0;
    for (let i = 0; i < 255; i++) lazy.pause();
    expect([lazy.warnings, calls]).toEqual([0, leave(false)]);
    lazy.pause();
    expect([lazy.warnings, lazy.isActive()]).toEqual([1, true]);
    lazy.resume();
    expect([lazy.warnings, lazy.isActive()]).toEqual([2, false]);
  });
});
