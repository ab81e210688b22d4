import { Access, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { KernelMm } from "../../src/process/mm.js";
import type { Vma } from "../../src/process/vma.js";
import { VmFlag } from "../../src/process/vma.js";
import { boot, ENTRIES, entryOf, frameOf, record, staleTranslations, UPPER } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { ANONYMOUS, BASE, DENIED, FILE, Process, RW, SHARED } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE } = Access;
const EFAULT = -14;
const EINVAL = -22;
const DONTUNMAP = 4;
const NORESERVE = 0x4000;
/** The new address of moved mappings. */
const NEW = BASE + 4 * UPPER;

function rightsOf(process: Process, page: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, i) => process.spaces.protectionAt(process.mm, toVpn(page + i)) ?? -1);
}

function mappings(process: Process): readonly Vma[] {
  return KernelMm.of(process.mm).vmas.all;
}

function frame(process: Process, page: number): number {
  return frameOf(process.machine, page, process.mm.root);
}

function move(process: Process, from: number, pages: number, to: number, newPages = pages, flags = 0): number {
  return process.spaces.mremap(process.mm, toVpn(from), pages, toVpn(to), newPages, flags);
}

describe("mprotect", () => {
  it("makes an exclusive page writable immediately, and a shared page at its next write", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    process.touch(BASE + 1, READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, Prot.READ);
    expect([process.touch(BASE, READ), process.touch(BASE, WRITE)]).toEqual([0, DENIED]);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, RW);
    expect([process.touch(BASE, WRITE), process.touch(BASE + 1, WRITE)]).toEqual([0, 1]);

    const parent = process.fork();
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, Prot.READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, RW);
    expect([
      process.touch(BASE, WRITE),
      frame(process, BASE) === frameOf(process.machine, BASE, parent.mm!.root),
    ]).toEqual([1, false]);
  });

  it("makes the private copy of a file page writable immediately", () => {
    const process = new Process();
    process.mmap(BASE, 2, RW, FILE);
    process.touch(BASE, WRITE);
    process.touch(BASE + 1, READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, Prot.READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, RW);
    expect([process.touch(BASE, WRITE), process.touch(BASE + 1, WRITE)]).toEqual([0, 1]);
  });

  it("makes a page of shared memory writable immediately", () => {
    const process = new Process();
    process.mmap(BASE, 1, Prot.READ, SHARED);
    process.touch(BASE, READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 1, RW);
    expect(process.touch(BASE, WRITE)).toBe(0);
  });

  it("keeps a page without rights, which is accessible again with the rights", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    const before = frame(process, BASE);
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, 0);
    expect([process.touch(BASE, READ), frame(process, BASE)]).toEqual([DENIED, -1]);
    expect(readUserTables(process.machine, process.mm).pages.get(BASE)).toMatchObject({ pfn: before, valid: false });
    process.spaces.mprotect(process.mm, toVpn(BASE), 2, RW);
    expect([process.touch(BASE, WRITE), frame(process, BASE)]).toEqual([0, before]);
  });

  it("writes a present entry twice, by get-and-clear and set, and no entry if the rights stay the same", () => {
    const process = new Process();
    process.mmap(BASE, 8);
    for (const i of [1, 2, 5]) process.touch(BASE + i, WRITE);
    const writes = (prot: number): number[] => {
      const { writesBySetter: before, tlbInvalidations } = process.machine.counters();
      process.spaces.mprotect(process.mm, toVpn(BASE), 8, prot);
      const { writesBySetter: after, tlbInvalidations: flushed } = process.machine.counters();
      return [
        after.ptep_get_and_clear - before.ptep_get_and_clear,
        after.set_pte - before.set_pte,
        flushed - tlbInvalidations,
      ];
    };
    expect([writes(RW), writes(Prot.READ), writes(Prot.READ), writes(7)]).toEqual([
      [0, 0, 1],
      [3, 3, 1],
      [0, 0, 1],
      [3, 3, 1],
    ]);
  });

  it("splits a mapping at the ends of the range, and merges it when the rights are equal again", () => {
    const process = new Process();
    process.mmap(BASE, 9);
    process.spaces.mprotect(process.mm, toVpn(BASE + 3), 3, Prot.READ);
    expect(rightsOf(process, BASE, 9)).toEqual([RW, RW, RW, 1, 1, 1, RW, RW, RW]);
    // VM_ACCOUNT follows the rights of a mapping that was never written.
    process.spaces.mprotect(process.mm, toVpn(BASE + 3), 3, RW);
    expect(mappings(process)).toHaveLength(1);
  });

  it.each([
    ["private memory that becomes writable is charged", Prot.READ, ANONYMOUS, RW, false, true],
    [
      "private memory that was never written and becomes read-only is no longer charged",
      RW,
      ANONYMOUS,
      Prot.READ,
      false,
      false,
    ],
    ["written memory stays charged", RW, ANONYMOUS, Prot.READ, true, true],
    ["a private file mapping stays charged", RW, FILE, Prot.READ, false, true],
    ["a private file mapping that becomes writable is charged", Prot.READ, FILE, RW, false, true],
    ["shared memory is not charged", Prot.READ, SHARED, RW, false, false],
    ["memory mapped with MAP_NORESERVE is not charged", Prot.READ, ANONYMOUS | NORESERVE, RW, false, false],
    ["memory that stays writable stays charged", RW, ANONYMOUS, Prot.WRITE, false, true],
    ["memory that is never writable is not charged", Prot.READ, ANONYMOUS, Prot.EXEC, false, false],
  ])("by mprotect_fixup %s", (_, before, flags, after, written, charged) => {
    const process = new Process();
    process.mmap(BASE, 1, before, flags);
    if (written) process.touch(BASE, WRITE);
    process.spaces.mprotect(process.mm, toVpn(BASE), 1, after);
    expect((mappings(process)[0]!.flags & VmFlag.ACCOUNT) !== 0).toBe(charged);
  });
});

describe("mremap", () => {
  it("moves pages with their frames, state and rights, and unmaps the old address", () => {
    const process = new Process();
    process.mmap(BASE + 3, 5, 7);
    process.touch(BASE + 3, WRITE);
    process.touch(BASE + 5, READ);
    const before = readUserTables(process.machine, process.mm).pages;
    expect(move(process, BASE + 3, 5, NEW + 9)).toBe(0);
    const after = readUserTables(process.machine, process.mm).pages;
    expect([...after].sort(([a], [b]) => a - b)).toEqual([
      [NEW + 9, before.get(BASE + 3)],
      [NEW + 11, before.get(BASE + 5)],
    ]);
    expect([rightsOf(process, BASE, 9), rightsOf(process, NEW + 8, 7)]).toEqual([
      Array(9).fill(-1),
      [-1, 7, 7, 7, 7, 7, -1],
    ]);
    expect([process.touch(NEW + 9, WRITE), process.touch(BASE + 3, READ), staleTranslations(process.machine)]).toEqual([
      0,
      DENIED,
      0,
    ]);
    expect(process.tables).toBe(2);
  });

  it("moves a whole table by its entry if both addresses are aligned and the new one has no table", () => {
    const process = new Process();
    process.mmap(BASE, 2 * ENTRIES);
    process.touch(BASE, WRITE);
    process.touch(BASE + 2 * ENTRIES - 1, WRITE);
    const pages = [frame(process, BASE), frame(process, BASE + 2 * ENTRIES - 1)];
    const { table } = entryOf(process.machine, BASE, process.mm.root);
    const { writesBySetter: before } = process.machine.counters();
    expect(move(process, BASE, 2 * ENTRIES, NEW)).toBe(0);
    const { writesBySetter: after } = process.machine.counters();
    expect([after.set_pte - before.set_pte, after.ptep_get_and_clear - before.ptep_get_and_clear]).toEqual([0, 0]);
    // Two tables unlinked, two linked.
    expect(after.set_pmd - before.set_pmd).toBe(4);
    expect([frame(process, NEW), frame(process, NEW + 2 * ENTRIES - 1)]).toEqual(pages);
    expect(entryOf(process.machine, NEW, process.mm.root).table).toBe(table);
    expect([process.tables, staleTranslations(process.machine)]).toEqual([3, 0]);
  });

  it("moves single entries into an existing table", () => {
    const process = new Process();
    process.mmap(BASE, ENTRIES);
    process.touch(BASE + 1, WRITE);
    process.mmap(NEW - ENTRIES, 2 * ENTRIES);
    process.touch(NEW - 1, WRITE);
    process.mmap(NEW + ENTRIES, 1);
    process.touch(NEW + ENTRIES, WRITE);
    const moved = frame(process, BASE + 1);
    // Another mapping keeps the table at the new address.
    process.spaces.munmap(process.mm, toVpn(NEW), 1);
    process.mmap(NEW, 1);
    process.touch(NEW, WRITE);
    const { writesBySetter: before } = process.machine.counters();
    expect(move(process, BASE, ENTRIES - 1, NEW + 1)).toBe(0);
    const { writesBySetter: after } = process.machine.counters();
    expect([after.set_pte - before.set_pte, frame(process, NEW + 2)]).toEqual([1, moved]);
  });

  it("starts at the start of the table if both mappings have the same offset and no mapping below: try_realign_addr", () => {
    for (const [alone, moved] of [
      [true, true],
      [false, false],
    ] as const) {
      const process = new Process();
      process.mmap(BASE + 5, ENTRIES + 20);
      process.touch(BASE + 6, WRITE);
      if (!alone) process.mmap(NEW, 1);
      const { writesBySetter: before } = process.machine.counters();
      expect(move(process, BASE + 5, ENTRIES + 20, NEW + 5)).toBe(0);
      const { writesBySetter: after } = process.machine.counters();
      expect(after.set_pte - before.set_pte).toBe(moved ? 0 : 1);
      expect(process.touch(NEW + 6, WRITE)).toBe(0);
    }
  });

  it("makes no table at the new address if the old one has none", () => {
    const process = new Process();
    process.mmap(BASE, 3 * UPPER);
    expect(move(process, BASE, 3 * UPPER, NEW)).toBe(0);
    expect(process.tables).toBe(0);
    process.touch(NEW + UPPER + 5, WRITE);
    expect(move(process, NEW, 3 * UPPER, BASE)).toBe(0);
    expect([process.tables, process.touch(BASE + UPPER + 5, WRITE)]).toEqual([2, 0]);
  });

  it("moves pages between any offsets in tables", () => {
    for (const [from, to] of [
      [BASE + ENTRIES - 3, NEW],
      [BASE, NEW + ENTRIES - 2],
      [BASE + UPPER - 3, NEW + UPPER - 1],
      [BASE + ENTRIES - 1, NEW + ENTRIES - 1],
    ] as const) {
      const process = new Process();
      process.mmap(from, 6, RW, ANONYMOUS | MapFlag.POPULATE);
      const frames = [0, 1, 2, 3, 4, 5].map((i) => frame(process, from + i));
      expect(move(process, from, 6, to)).toBe(0);
      expect([0, 1, 2, 3, 4, 5].map((i) => frame(process, to + i))).toEqual(frames);
      expect([readUserTables(process.machine, process.mm).pages.size, staleTranslations(process.machine)]).toEqual([
        6, 0,
      ]);
    }
  });

  it("invalidates each run of entries and each table that it moves", () => {
    const process = new Process();
    process.mmap(BASE, ENTRIES + 3);
    process.touch(BASE, WRITE);
    process.touch(BASE + ENTRIES, WRITE);
    const before = process.machine.counters().tlbInvalidations;
    move(process, BASE, ENTRIES + 3, NEW);
    // The table, the run after it, and the tables of the old address.
    expect(process.machine.counters().tlbInvalidations - before).toBe(3);
  });

  it("unmaps the new address, and shrinks or grows during the move", () => {
    const process = new Process();
    process.mmap(BASE, 4);
    process.touch(BASE + 3, WRITE);
    process.mmap(NEW, 9, Prot.READ);
    expect(move(process, BASE, 4, NEW + 2, 2)).toBe(0);
    expect(rightsOf(process, NEW, 9)).toEqual([1, 1, RW, RW, 1, 1, 1, 1, 1]);
    // The tables of the old address are freed. The new address got tables before the move looked for pages.
    expect([rightsOf(process, BASE, 4), process.tables]).toEqual([[-1, -1, -1, -1], 2]);
    expect(move(process, NEW + 2, 2, BASE, 5)).toBe(0);
    expect([rightsOf(process, BASE, 6), rightsOf(process, NEW, 5)]).toEqual([
      [RW, RW, RW, RW, RW, -1],
      [1, 1, -1, -1, 1],
    ]);
  });

  it("moves each of several mappings by its part in the range, also to the address after the old one", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.mmap(BASE + 2, 2);
    expect(move(process, BASE, 4, BASE + 4)).toBe(0);
    expect(rightsOf(process, BASE, 9)).toEqual([-1, -1, -1, -1, RW, -1, RW, RW, -1]);
  });

  it("that grows during the move keeps the rest of the old mapping", () => {
    const process = new Process();
    process.mmap(BASE, 10);
    expect(move(process, BASE, 2, NEW, 3)).toBe(0);
    expect(mappings(process).map(({ start, end }) => [start - BASE, end - start])).toEqual([
      [2, 8],
      [NEW - BASE, 3],
    ]);
  });

  it("moves a part of a mapping", () => {
    const process = new Process();
    process.mmap(BASE, 9, Prot.READ, FILE);
    expect(move(process, BASE + 3, 3, NEW)).toBe(0);
    expect([rightsOf(process, BASE, 9), rightsOf(process, NEW, 4)]).toEqual([
      [1, 1, 1, -1, -1, -1, 1, 1, 1],
      [1, 1, 1, -1],
    ]);
  });

  it("to a range that overlaps the old one is -EINVAL and changes nothing, also while it shrinks", () => {
    const process = new Process();
    process.mmap(BASE, 4);
    expect([
      move(process, BASE, 4, BASE + 1),
      move(process, BASE, 4, BASE + 3, 1),
      move(process, BASE + 1, 2, BASE, 2),
      rightsOf(process, BASE, 5),
    ]).toEqual([EINVAL, EINVAL, EINVAL, [RW, RW, RW, RW, -1]]);
  });

  it("of an unmapped range is -EFAULT, in place and to a new address, with and without a length", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    expect([
      move(process, BASE + 4, 2, NEW),
      move(process, BASE + 1, 2, BASE + 1, 3),
      move(process, BASE + 4, 0, NEW, 1),
      move(process, BASE + 4, 2, BASE + 4, 1),
      move(process, BASE + 4, 2, BASE + 4, 2),
    ]).toEqual([EFAULT, EFAULT, EFAULT, EFAULT, EFAULT]);
  });

  it("that shrinks is -EFAULT before it unmaps the tail if the start is unmapped", () => {
    const process = new Process();
    process.mmap(BASE + 2, 2);
    process.mmap(BASE + 4, 2, Prot.READ);
    expect([move(process, BASE, 4, NEW, 1), move(process, BASE, 4, BASE, 1), rightsOf(process, BASE, 6)]).toEqual([
      EFAULT,
      EFAULT,
      [-1, -1, RW, RW, 1, 1],
    ]);
    expect([move(process, BASE + 2, 4, BASE + 2, 1), rightsOf(process, BASE + 2, 4)]).toEqual([0, [RW, -1, -1, -1]]);
  });

  it("that changes the length is -EFAULT if the pages that stay are of two mappings, and changes nothing", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.mmap(BASE + 2, 2, Prot.READ);
    expect([
      move(process, BASE, 4, NEW, 3),
      move(process, BASE, 4, NEW, 5),
      move(process, BASE, 4, BASE, 5),
      rightsOf(process, BASE, 5),
      rightsOf(process, NEW, 5),
    ]).toEqual([EFAULT, EFAULT, EFAULT, [RW, RW, 1, 1, -1], Array(5).fill(-1)]);
    // A shrink may unmap pages of other mappings.
    expect([move(process, BASE, 4, NEW, 2), rightsOf(process, BASE, 4)]).toEqual([0, Array(4).fill(-1)]);
    expect(rightsOf(process, NEW, 3)).toEqual([RW, RW, -1]);
  });

  it("of several mappings is -EFAULT if the first page is unmapped", () => {
    const process = new Process();
    process.mmap(BASE + 1, 2);
    expect([move(process, BASE, 3, NEW), rightsOf(process, BASE, 3)]).toEqual([EFAULT, [-1, RW, RW]]);
  });

  it("in place shrinks, grows into the range above, and does nothing for equal lengths", () => {
    const process = new Process();
    process.mmap(BASE, 4, Prot.READ, FILE);
    process.mmap(BASE + 6, 1);
    process.touch(BASE + 3, READ);
    expect(move(process, BASE, 4, BASE, 2)).toBe(0);
    expect(rightsOf(process, BASE, 4)).toEqual([1, 1, -1, -1]);
    expect(readUserTables(process.machine, process.mm).pages.size).toBe(2);
    expect([move(process, BASE, 2, BASE, 8), rightsOf(process, BASE, 9)]).toEqual([0, [1, 1, 1, 1, 1, 1, 1, 1, -1]]);
    expect(mappings(process)).toHaveLength(1);
    expect([move(process, BASE, 8, BASE, 8), mappings(process)[0]!.end]).toEqual([0, BASE + 8]);
  });

  it("with DONTUNMAP leaves an empty mapping without an anon_vma", () => {
    const process = new Process();
    process.mmap(BASE, 3);
    process.touch(BASE, WRITE);
    const written = frame(process, BASE);
    expect(move(process, BASE, 3, NEW, 3, DONTUNMAP)).toBe(0);
    expect([rightsOf(process, BASE, 4), rightsOf(process, NEW, 4)]).toEqual([
      [RW, RW, RW, -1],
      [RW, RW, RW, -1],
    ]);
    expect([frame(process, NEW), frame(process, BASE), process.touch(BASE, READ)]).toEqual([written, -1, 1]);
    expect(mappings(process).map(({ anonVma }) => anonVma !== 0)).toEqual([false, true]);
  });

  it("with DONTUNMAP in a child lets the old mapping merge with a written neighbour", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    process.fork();
    expect(mappings(process)[0]!.inherited).toBe(true);
    process.mmap(BASE + 2, 2);
    expect(mappings(process)).toHaveLength(2);
    move(process, BASE, 2, NEW, 2, DONTUNMAP);
    expect(mappings(process).map(({ start, end }) => [start - BASE, end - start])).toEqual([
      [0, 4],
      [NEW - BASE, 2],
    ]);
  });

  it("of an old length of 0 maps the same pages of shared memory again", () => {
    const process = new Process();
    process.mmap(BASE, 4, RW, SHARED);
    expect(move(process, BASE + 1, 0, NEW, 2)).toBe(0);
    const [old, copy] = mappings(process);
    expect([old!.start, old!.end, copy!.start, copy!.end]).toEqual([BASE, BASE + 4, NEW, NEW + 2]);
    expect([copy!.file, copy!.start + copy!.shift, copy!.anonVma]).toEqual([old!.file, BASE + 1 + old!.shift, 0]);
  });

  it("keeps the offset of a mapping in its object, except of a mapping that was never written", () => {
    for (const [flags, written, merges] of [
      [ANONYMOUS, false, true],
      [ANONYMOUS, true, false],
      [FILE, false, false],
    ] as const) {
      const process = new Process();
      process.mmap(BASE, 1, RW, flags);
      if (written) process.touch(BASE, WRITE);
      process.mmap(NEW + 1, 1, RW, flags);
      move(process, BASE, 1, NEW);
      expect(mappings(process)).toHaveLength(merges ? 1 : 2);
      const back = process.mmap(BASE, 1, RW, flags);
      expect(back).toBe(0);
    }
    const process = new Process();
    process.mmap(BASE, 3, RW, FILE);
    move(process, BASE + 1, 1, NEW);
    move(process, NEW, 1, BASE + 1);
    expect(mappings(process)).toHaveLength(1);
  });

  it("locks the tables of both addresses; a single table only once", () => {
    const calls: Call[] = [];
    const process = new Process(
      boot(
        {},
        {
          attach: record(["tableLocked", "tableUnlocking"], calls),
        },
      ),
    );
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    const { table } = entryOf(process.machine, BASE, process.mm.root);
    calls.length = 0;
    move(process, BASE, 1, BASE + 8);
    expect(calls.slice(0, 2)).toEqual([
      ["tableLocked", table],
      ["tableUnlocking", table],
    ]);
    process.mmap(NEW, 1);
    process.touch(NEW, WRITE);
    const other = entryOf(process.machine, NEW, process.mm.root).table;
    calls.length = 0;
    move(process, BASE + 8, 1, NEW + 8);
    expect(calls.slice(0, 4)).toEqual([
      ["tableLocked", table],
      ["tableLocked", other],
      ["tableUnlocking", other],
      ["tableUnlocking", table],
    ]);
  });
});
