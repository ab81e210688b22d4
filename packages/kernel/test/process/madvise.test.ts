import { Access, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { KernelMm } from "../../src/process/mm.js";
import { VmFlag } from "../../src/process/vma.js";
import { ENTRIES } from "../support/machine.js";
import { ANONYMOUS, BASE, DENIED, Process, RW } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE } = Access;

function advise(process: Process, pages: number, advice: number): void {
  expect(process.spaces.madvise(process.mm, toVpn(BASE), pages, advice)).toBe(0);
}

describe("madvise that changes flags", () => {
  const flagsOf = (process: Process): number => KernelMm.of(process.mm).vmas.find(toVpn(BASE))!.flags & ~VmFlag.ACCOUNT;

  it.each([
    ["NORMAL after SEQUENTIAL", [2, 0], 0],
    ["NORMAL after RANDOM", [1, 0], 0],
    ["RANDOM after SEQUENTIAL", [2, 1], VmFlag.RAND_READ],
    ["SEQUENTIAL after RANDOM", [1, 2], VmFlag.SEQ_READ],
    ["DONTFORK", [10], VmFlag.DONTCOPY],
    ["DOFORK", [10, 11], 0],
    ["HUGEPAGE after NOHUGEPAGE", [15, 14], VmFlag.HUGEPAGE],
    ["NOHUGEPAGE after HUGEPAGE", [14, 15], VmFlag.NOHUGEPAGE],
    ["DONTDUMP", [16], VmFlag.DONTDUMP],
    ["DODUMP", [16, 17], 0],
    ["WIPEONFORK", [18], VmFlag.WIPEONFORK],
    ["KEEPONFORK", [18, 19], 0],
    [
      "several numbers",
      [2, 10, 15, 16, 18],
      VmFlag.SEQ_READ | VmFlag.DONTCOPY | VmFlag.NOHUGEPAGE | VmFlag.DONTDUMP | VmFlag.WIPEONFORK,
    ],
    ["other numbers", [3, 9, 12, 13, 103, 777], 0],
  ])("%s sets and clears flags and changes no entry", (_, numbers, flags) => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    const before = process.machine.counters();
    for (const number of numbers) advise(process, 1, number);
    expect(flagsOf(process)).toBe(flags);
    expect(process.machine.counters()).toEqual(before);
  });

  it("splits a mapping; pieces with equal flags merge again", () => {
    const process = new Process();
    process.mmap(BASE, 3);
    const count = (): number => KernelMm.of(process.mm).vmas.all.length;
    process.spaces.madvise(process.mm, toVpn(BASE + 1), 1, 16);
    expect(count()).toBe(3);
    process.spaces.madvise(process.mm, toVpn(BASE + 1), 1, 17);
    expect(count()).toBe(1);
  });
});

describe("madvise of pages", () => {
  const state = (process: Process): unknown[] =>
    [...readUserTables(process.machine, process.mm).pages.values()].map(({ young, dirty }) => [young, dirty]);

  it.each([
    ["FREE makes them old and clean", 8, false, "clear_young_dirty_pte"],
    ["COLD makes them old", 20, true, "ptep_test_and_clear_young"],
    ["PAGEOUT makes them old", 21, true, "ptep_test_and_clear_young"],
  ] as const)("%s, where they are present, and invalidates once", (_, advice, dirty, setter) => {
    const process = new Process();
    process.mmap(BASE, 5);
    for (const i of [0, 2, 4]) process.touch(BASE + i, WRITE);
    const before = process.machine.counters();
    advise(process, 4, advice);
    const after = process.machine.counters();
    expect(state(process)).toEqual([
      [false, dirty],
      [false, dirty],
      [true, true],
    ]);
    expect(after.writesBySetter[setter] - before.writesBySetter[setter]).toBe(2);
    expect([after.tableWrites - before.tableWrites, after.tlbInvalidations - before.tlbInvalidations]).toEqual([2, 1]);
    expect([process.touch(BASE, WRITE), state(process)]).toEqual([
      0,
      [
        [true, true],
        [false, dirty],
        [true, true],
      ],
    ]);
  });

  it.each([4, 24])("DONTNEED (%d) drops the pages of the range in each mapping, with one invalidation", (advice) => {
    const process = new Process();
    process.mmap(BASE - 2, 4, RW, ANONYMOUS | MapFlag.POPULATE);
    process.mmap(BASE + 3, 4, RW, ANONYMOUS | MapFlag.POPULATE);
    const before = process.machine.counters().tlbInvalidations;
    advise(process, 5, advice);
    const left = [...readUserTables(process.machine, process.mm).pages.keys()].map((page) => page - BASE);
    expect(left).toEqual([-2, -1, 5, 6]);
    expect(process.machine.counters().tlbInvalidations - before).toBe(2);
    expect([process.touch(BASE, READ), process.touch(BASE + 2, READ)]).toEqual([1, DENIED]);
  });

  it("POPULATE populates without an invalidation", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    const before = process.machine.counters().tlbInvalidations;
    advise(process, 2, 22);
    expect([state(process).length, process.machine.counters().tlbInvalidations - before]).toEqual([2, 0]);
  });

  it("GUARD_INSTALL drops them and makes the tables of the range; fork copies the range", () => {
    const process = new Process();
    process.mmap(BASE, 2 * ENTRIES + 1);
    process.mmap(BASE + 3 * ENTRIES, 1, Prot.READ);
    process.touch(BASE + 2, WRITE);
    const before = process.machine.counters().tlbInvalidations;
    advise(process, 4 * ENTRIES, 102);
    expect(process.tables).toBe(1 + 4);
    expect(readUserTables(process.machine, process.mm).pages.size).toBe(0);
    expect(process.machine.counters().tlbInvalidations - before).toBe(1);
    process.fork();
    expect(process.tables).toBe(1 + 4);
  });

  it("GUARD_INSTALL in a part of a mapping does not split it and keeps the other pages", () => {
    const process = new Process();
    process.mmap(BASE - 1, 4);
    process.touch(BASE - 1, WRITE);
    process.touch(BASE + 2, WRITE);
    process.touch(BASE, WRITE);
    advise(process, 2, 102);
    expect(KernelMm.of(process.mm).vmas.all).toHaveLength(1);
    expect(readUserTables(process.machine, process.mm).pages.size).toBe(2);
  });
});
