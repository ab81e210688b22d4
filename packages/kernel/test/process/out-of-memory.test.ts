import { Access, PageAllocator, PageTables, Privilege, toVpn, Vmalloc } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { boot, ENTRIES, frameOf, record, staleTranslations } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { BASE, FILE, Process, RW } from "../support/process.js";

/** Another address, which needs a table of each level. */
const ELSEWHERE = 2 * BASE;
const MADV_GUARD_INSTALL = 102;
const outOfMemory = expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }) as Error;

/** Allocates pages until a number of pages is free. */
function hog(machine: Machine, left: number): void {
  const pages = machine.get(PageAllocator);
  for (let order = pages.maxOrder; order >= 0; order--) {
    while (pages.freePages - 2 ** order >= left && pages.alloc(order) !== undefined);
  }
  expect(pages.freePages).toBe(left);
}

const free = (machine: Machine): number => machine.get(PageAllocator).freePages;

/** Maps and writes pages of a process, each in another table. */
function spread(process: Process, pages: number): void {
  for (let i = 0; i < pages; i++) {
    process.mmap(BASE + i * ENTRIES, 1);
    process.touch(BASE + i * ENTRIES, Access.WRITE);
  }
}

describe("fork without memory", () => {
  it.each([0, 1, 2, 3])("leaks nothing with %i free pages", (left) => {
    const process = new Process();
    spread(process, 3);
    hog(process.machine, left);
    const tables = process.machine.scan().length;
    expect(() => process.spaces.fork(process.mm)).toThrow(outOfMemory);
    expect([...process.spaces.all]).toEqual([process.mm]);
    expect(free(process.machine)).toBe(left);
    expect(process.machine.scan()).toHaveLength(tables);
    expect(staleTranslations(process.machine)).toBe(0);
    // The parent's pages are exclusive again.
    expect(process.touch(BASE, Access.WRITE)).toBeLessThanOrEqual(1);
    expect(free(process.machine)).toBe(left);
  });
});

describe("vmalloc without memory", () => {
  it.each([
    ["a page", 3, 4],
    ["the first table", 4, 4],
    ["the second table", ENTRIES + 1, ENTRIES + 1],
  ])("returns undefined and keeps only tables without %s", (_, left, length) => {
    const machine = boot({ memory: [{ bytes: 128 * 1024 * 1024 }] });
    hog(machine, left);
    const allocated = (): number => machine.counters().tablesAllocated - machine.counters().tablesFreed;
    const before = allocated();
    expect(machine.get(Vmalloc).alloc(length)).toBeUndefined();
    expect(free(machine)).toBe(left - (allocated() - before));
    expect(staleTranslations(machine)).toBe(0);
  });

  it("does not map freed pages", () => {
    const machine = boot({ memory: [{ bytes: 256 * 1024 * 1024 }] });
    const vmalloc = machine.get(Vmalloc);
    const first = vmalloc.alloc(1)!;
    vmalloc.free(first);
    hog(machine, 2 * ENTRIES);
    expect(vmalloc.alloc(2 * ENTRIES)).toBeUndefined();
    for (let i = 0; i < ENTRIES; i += 97) expect(frameOf(machine, first + i)).toBe(-1);
    expect(staleTranslations(machine)).toBe(0);
  });
});

describe("an operation on mappings without memory", () => {
  it("mremap moves the moved entries back", () => {
    const process = new Process();
    const { machine, spaces, mm } = process;
    process.mmap(BASE, 3 * ENTRIES);
    const pages = [BASE + 1, BASE + ENTRIES + 1, BASE + 2 * ENTRIES + 1];
    for (const page of pages) process.touch(page, Access.WRITE);
    const frames = pages.map((page) => frameOf(machine, page, mm.root));
    // The new address has another offset in its table, so entries move. It needs a middle-level table and one more table.
    hog(machine, 2);
    expect(() => spaces.mremap(mm, toVpn(BASE), 3 * ENTRIES, toVpn(ELSEWHERE + 7), 3 * ENTRIES)).toThrow(outOfMemory);
    expect(pages.map((page) => frameOf(machine, page, mm.root))).toEqual(frames);
    expect(spaces.protectionAt(mm, toVpn(BASE))).toBe(RW);
    expect(spaces.protectionAt(mm, toVpn(ELSEWHERE + 7))).toBeUndefined();
    expect(free(machine)).toBe(2);
    expect(staleTranslations(machine)).toBe(0);
    for (const page of pages) expect(process.touch(page, Access.WRITE)).toBe(0);
  });

  it("a failed MADV_GUARD_INSTALL leaves no stale translation", () => {
    const process = new Process();
    process.mmap(BASE, 3 * ENTRIES);
    process.touch(BASE + 77, Access.WRITE);
    hog(process.machine, 0);
    expect(() => {
      process.spaces.madvise(process.mm, toVpn(BASE), 3 * ENTRIES, MADV_GUARD_INSTALL);
    }).toThrow(outOfMemory);
    expect(staleTranslations(process.machine)).toBe(0);
  });

  it("a file page is read without memory for the surrounding pages", () => {
    const process = new Process();
    process.mmap(BASE, 4, RW, FILE);
    process.touch(BASE + ENTRIES, Access.READ);
    process.mmap(BASE + 4, 1);
    process.touch(BASE + 4, Access.WRITE);
    hog(process.machine, 1);
    expect(process.touch(BASE, Access.READ)).toBe(1);
    expect(() => process.touch(BASE + 1, Access.READ)).toThrow(outOfMemory);
  });

  it.each(["inherit", "reset", "reset-lazy-paused"] as const)(
    "a fault without memory unlocks the table and returns from the exception (entry: %s)",
    (exceptionEntry) => {
      const calls: Call[] = [];
      const points = ["tableLocked", "tableUnlocking", "exceptionEntry", "exceptionExit"] as const;
      const process = new Process(boot({ kernel: { exceptionEntry } }, { attach: record(points, calls) }));
      process.mmap(BASE, 2);
      process.touch(BASE, Access.WRITE);
      hog(process.machine, 0);
      calls.length = 0;
      expect(() => process.spaces.touch(process.mm, toVpn(BASE + 1), Access.WRITE, Privilege.UACCESS)).toThrow(
        outOfMemory,
      );
      expect(calls.map(([name]) => name)).toEqual(["exceptionEntry", "tableLocked", "tableUnlocking", "exceptionExit"]);
    },
  );
});

it("a failed creation of a process leaks nothing", () => {
  const process = new Process();
  const { machine, spaces, tasks } = process;
  const tables = machine.get(PageTables).counters;
  hog(machine, 1);
  const mm = spaces.create();
  expect(() => spaces.create()).toThrow(outOfMemory);
  // Credentials come from a slab until it is full.
  expect(() => {
    for (;;) tasks.create(undefined);
  }).toThrow(outOfMemory);
  spaces.put(mm);
  expect(free(machine)).toBe(1);
  expect(tables.tablesAllocated - tables.tablesFreed).toBeGreaterThan(0);
});
