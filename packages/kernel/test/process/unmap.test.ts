import { Access, MapFlag, PageAllocator, Prot, toVpn } from "@kpkeys/core/contracts";
import type { Observer } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { boot, ENTRIES, record, UPPER } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { ANONYMOUS, BASE, Process, RW } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE } = Access;
const DONTNEED = 4;

/** A process with a written page at each address. */
function withPages(...pages: number[]): Process {
  const process = new Process();
  for (const page of pages) {
    process.mmap(page, 1);
    process.touch(page, WRITE);
  }
  return process;
}

describe("munmap frees a table", () => {
  it("if no other mapping uses any part of it", () => {
    for (const neighbour of [BASE, BASE + 7, BASE + ENTRIES - 1]) {
      const process = withPages(BASE + 3, neighbour);
      expect(process.tables).toBe(2);
      process.spaces.munmap(process.mm, toVpn(BASE + 3), 1);
      expect(process.tables).toBe(2);
      process.spaces.munmap(process.mm, toVpn(neighbour), 1);
      expect(process.tables).toBe(0);
    }
  });

  it("of an upper level only with the last mapping that needs it", () => {
    const process = withPages(BASE, BASE + ENTRIES);
    process.mmap(BASE + 5 * ENTRIES, 1);
    process.spaces.munmap(process.mm, toVpn(BASE), 1);
    expect(process.tables).toBe(2);
    process.spaces.munmap(process.mm, toVpn(BASE + ENTRIES), 1);
    expect(process.tables).toBe(1);
    process.spaces.munmap(process.mm, toVpn(BASE + 5 * ENTRIES), 1);
    expect(process.tables).toBe(0);
  });

  it("of each level inside a range, and keeps the tables of neighbours at its ends", () => {
    const places = [BASE - 1, BASE, BASE + ENTRIES, BASE + UPPER - 1, BASE + UPPER, BASE + UPPER + ENTRIES];
    const process = withPages(...places);
    // Three upper tables with 1, 3 and 2 tables below them.
    expect(process.tables).toBe(3 + 6);
    process.spaces.munmap(process.mm, toVpn(BASE), UPPER + 1);
    expect(process.tables).toBe(2 + 2);
    expect([...readUserTables(process.machine, process.mm).pages.keys()].sort((a, b) => a - b)).toEqual([
      BASE - 1,
      BASE + UPPER + ENTRIES,
    ]);
    process.spaces.munmap(process.mm, toVpn(BASE - 1), 2 * UPPER);
    expect(process.tables).toBe(0);
  });

  it("that is already empty", () => {
    const process = withPages(BASE);
    process.spaces.madvise(process.mm, toVpn(BASE), 1, DONTNEED);
    expect(process.tables).toBe(2);
    process.spaces.munmap(process.mm, toVpn(BASE), 1);
    expect(process.tables).toBe(0);
  });
});

describe("munmap invalidates", () => {
  it("once for the whole range, before it frees a table", () => {
    const order: string[] = [];
    const observer: Observer = {
      tlbFlush: (_cpu, _high, _low, pages) => order.push(`flush ${pages}`),
      tablePage: (_pfn, source, alive) => order.push(`${source} ${alive ? "taken" : "freed"}`),
    };
    const process = new Process(boot({}, { observer }));
    process.mmap(BASE, 3 * ENTRIES);
    process.touch(BASE, WRITE);
    process.touch(BASE + ENTRIES, WRITE);
    order.length = 0;
    const before = process.machine.counters().tlbInvalidations;
    process.spaces.munmap(process.mm, toVpn(BASE), 3 * ENTRIES);
    expect(order).toEqual([`flush ${3 * ENTRIES}`, "user freed", "user freed", "user freed"]);
    expect(process.machine.counters().tlbInvalidations - before).toBe(1);
  });

  it("only if there was an entry or a table", () => {
    const process = new Process();
    const invalidations = (act: () => void): number => {
      const before = process.machine.counters().tlbInvalidations;
      act();
      return process.machine.counters().tlbInvalidations - before;
    };
    const unmap = (page: number): number => invalidations(() => process.spaces.munmap(process.mm, toVpn(page), 1));
    process.mmap(BASE, 3);
    expect([unmap(BASE), unmap(BASE + 1000), unmap(BASE + 2)]).toEqual([0, 0, 0]);
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    process.touch(BASE + 1, WRITE);
    expect(unmap(BASE)).toBe(1);
    process.spaces.madvise(process.mm, toVpn(BASE + 1), 1, DONTNEED);
    expect([process.tables, unmap(BASE + 1), process.tables]).toEqual([2, 1, 0]);
  });
});

describe("MADV_DONTNEED", () => {
  it("frees only a table that is completely in the range", () => {
    const process = new Process();
    process.mmap(BASE, 3 * ENTRIES);
    for (const i of [0, 1, 2]) process.touch(BASE + i * ENTRIES, WRITE);
    process.spaces.madvise(process.mm, toVpn(BASE + 1), 3 * ENTRIES - 2, DONTNEED);
    expect(process.tables).toBe(3);
    expect([process.touch(BASE, READ), process.touch(BASE + ENTRIES, WRITE), process.tables]).toEqual([0, 1, 4]);
    expect(process.touch(BASE + 2 * ENTRIES, WRITE)).toBe(1);
  });

  it("frees only a table that one mapping covers completely", () => {
    const process = new Process();
    process.mmap(BASE, ENTRIES - 1);
    process.mmap(BASE + ENTRIES - 1, 1, Prot.READ);
    process.touch(BASE, WRITE);
    process.spaces.madvise(process.mm, toVpn(BASE), ENTRIES, DONTNEED);
    expect(process.tables).toBe(2);
  });

  it("invalidates the address space before it frees the table, with the lock of the table above", () => {
    const order: unknown[] = [];
    const calls: Call[] = [];
    const observer: Observer = {
      tlbFlush: (_cpu, _high, _low, pages) => order.push(pages),
      tablePage: (_pfn, _source, alive) => order.push(alive ? "taken" : "freed"),
    };
    const process = new Process(
      boot(
        {},
        {
          observer,
          attach: record(["tableLocked", "tableUnlocking"], calls),
        },
      ),
    );
    process.mmap(BASE, ENTRIES);
    process.touch(BASE, WRITE);
    order.length = calls.length = 0;
    process.spaces.madvise(process.mm, toVpn(BASE), ENTRIES, DONTNEED);
    expect(order).toEqual([-1, "freed"]);
    const [pte, , pmd] = calls.map(([, table]) => table);
    expect(pte).not.toBe(pmd);
    expect(calls).toEqual([
      ["tableLocked", pte],
      ["tableUnlocking", pte],
      ["tableLocked", pmd],
      ["tableUnlocking", pmd],
    ]);
  });
});

it("consecutive pages are cleared as one run; each is counted and freed", () => {
  const process = new Process();
  const free = (): number => process.machine.get(PageAllocator).freePages;
  const start = free();
  process.mmap(BASE, 40, RW, ANONYMOUS | MapFlag.POPULATE);
  process.spaces.munmap(process.mm, toVpn(BASE + 7), 2);
  const { writesBySetter: before } = process.machine.counters();
  process.spaces.munmap(process.mm, toVpn(BASE), 40);
  const { writesBySetter: after } = process.machine.counters();
  expect(after.ptep_get_and_clear - before.ptep_get_and_clear).toBe(38);
  expect(free()).toBe(start);
});

it("exit frees all tables after one invalidation and counts each once", () => {
  const process = withPages(BASE, BASE + ENTRIES, BASE + UPPER);
  const { machine, spaces, mm, tasks, task } = process;
  const before = machine.counters();
  tasks.exit(task);
  const after = machine.counters();
  expect(after.tablesFreed - before.tablesFreed).toBe(2 + 3 + 1);
  expect(after.tlbInvalidations - before.tlbInvalidations).toBe(1);
  expect([mm.tablePages, [...spaces.all]]).toEqual([0, []]);
});

it("entries are changed in a lazy MMU section, with the lock of their table", () => {
  const calls: Call[] = [];
  const process = new Process(
    boot(
      {},
      {
        attach: record(["tableLocked", "tableUnlocking", "lazyMmuEnter", "lazyMmuLeave"], calls),
      },
    ),
  );
  process.mmap(BASE, 2);
  process.mmap(BASE + 2, 1);
  process.touch(BASE + 1, WRITE);
  for (const act of [
    () => process.spaces.munmap(process.mm, toVpn(BASE + 1), 1),
    () => process.spaces.mprotect(process.mm, toVpn(BASE), 1, Prot.READ),
    () => process.spaces.madvise(process.mm, toVpn(BASE), 1, 20),
  ]) {
    calls.length = 0;
    act();
    expect(calls.map(([point]) => point)).toEqual(["tableLocked", "lazyMmuEnter", "lazyMmuLeave", "tableUnlocking"]);
  }
});
