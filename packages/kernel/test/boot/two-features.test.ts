import { Errno, Exceptions, ExtensionPoints, PageAllocator, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { boot, record } from "../support/machine.js";
import type { Call } from "../support/machine.js";

describe.each([
  ["tablePageAllocated", "tablePageFreeing"],
  ["tablePageCtor", "tablePageDtor"],
] as const)("a table page that the second of two features rejects in %s", (make, undo) => {
  it("is undone by the first feature and freed", () => {
    const calls: Call[] = [];
    let rejects = false;
    const machine = boot(
      {},
      {
        attach(points: ExtensionPoints) {
          record([make, undo], calls)(points);
          points.on(make, () => (rejects ? Errno.ENOMEM : 0));
          points.on(undo, () => {
            calls.push([undo, "rejecting"]);
          });
        },
      },
    );
    const tables = machine.get(PageTables);
    const { freePages } = machine.get(PageAllocator);
    rejects = true;
    calls.length = 0;
    expect(tables.allocTable("user", toLevel(2))).toBeUndefined();
    expect(machine.get(PageAllocator).freePages).toBe(freePages);
    // The rejecting feature has nothing to undo.
    expect(calls.map(([name, page]) => [name, page])).toEqual([
      [make, calls[0]![1]],
      [undo, calls[0]![1]],
    ]);
    expect(tables.sourceOf(toPfn(calls[0]![1] as number))).toBeUndefined();
  });
});

it("an interrupt returns on its CPU if its handler changes the current CPU", () => {
  const machine = boot({ cpus: 2 });
  const { cpus } = machine;
  const [first, second] = [cpus.all[0]!, cpus.all[1]!];
  const exceptions = machine.get(Exceptions);
  for (const cpu of [first, second]) {
    cpus.current = cpu;
    exceptions.interrupt(() => {
      expect(exceptions.inInterrupt).toBe(true);
      cpus.current = cpu === first ? second : first;
      expect(exceptions.inInterrupt).toBe(false);
    });
    expect(cpus.current).toBe(cpu);
    for (const each of [first, second]) {
      cpus.current = each;
      expect(exceptions.inInterrupt).toBe(false);
    }
  }
});
