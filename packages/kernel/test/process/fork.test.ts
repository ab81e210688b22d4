import { Access, MapFlag, PageAllocator, Prot, toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { Bit } from "../../../../examples/odd-arch/src/format.js";
import { KernelMm } from "../../src/process/mm.js";
import { VmFlag } from "../../src/process/vma.js";
import { boot, ENTRIES, entryOf, frameOf, record, UPPER } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { ANONYMOUS, BASE, DENIED, FILE, Process, RW, SHARED } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE } = Access;
const MADV = { DONTNEED: 4, DONTFORK: 10, DOFORK: 11, WIPEONFORK: 18, KEEPONFORK: 19 };
const MAP_LOCKED = 0x2000;

describe("fork", () => {
  it("copies only the tables of written anonymous memory", () => {
    const process = new Process();
    process.mmap(BASE, ENTRIES);
    process.mmap(BASE + UPPER, ENTRIES, RW, ANONYMOUS | 0x4000);
    process.mmap(BASE + 2 * UPPER, ENTRIES, RW, SHARED);
    process.mmap(BASE + 3 * UPPER, ENTRIES, Prot.READ, FILE);
    for (const i of [0, 2]) process.touch(BASE + i * UPPER, WRITE);
    for (const i of [1, 3]) process.touch(BASE + i * UPPER, READ);
    expect(process.tables).toBe(8);
    process.fork();
    expect(process.tables).toBe(2);
  });

  it("copies all pages of a written file mapping, including pages that were only read", () => {
    const process = new Process();
    process.mmap(BASE, 2 * ENTRIES, RW, FILE);
    process.touch(BASE, READ);
    process.touch(BASE + ENTRIES, WRITE);
    process.fork();
    expect(process.tables).toBe(3);
    expect(process.touch(BASE, READ)).toBe(0);
  });

  it("copies empty tables, and makes none where the parent has none", () => {
    const process = new Process();
    process.mmap(BASE, 3 * ENTRIES);
    process.touch(BASE, WRITE);
    process.touch(BASE + 2 * ENTRIES, WRITE);
    process.spaces.madvise(process.mm, toVpn(BASE), 1, MADV.DONTNEED);
    process.fork();
    expect(process.tables).toBe(3);
    expect(readUserTables(process.machine, process.mm).pages.size).toBe(1);
  });

  it("copies an upper table that has no table below it", () => {
    const process = new Process();
    process.mmap(BASE, 1, RW, SHARED);
    process.mmap(BASE + ENTRIES, UPPER);
    process.touch(BASE, WRITE);
    process.touch(BASE + UPPER, WRITE);
    expect(process.tables).toBe(4);
    process.fork();
    expect(process.tables).toBe(3);
  });

  it("maps the same pages in both address spaces, read-only; the child's entries are old", () => {
    const process = new Process();
    process.mmap(BASE, 4, 7);
    for (const i of [0, 1, 3]) process.touch(BASE + i, WRITE);
    process.touch(BASE + 2, READ);
    process.mmap(BASE + 9, 1, Prot.READ);
    const before = process.machine.counters().tableWrites;
    const parent = process.fork();
    const [theirs, ours] = [parent.mm!, process.mm].map((mm) => readUserTables(process.machine, mm).pages);
    expect([...ours!.keys()]).toEqual([...theirs!.keys()]);
    for (const [page, entry] of ours!) {
      expect(entry.pfn).toBe(theirs!.get(page)!.pfn);
      expect([entry.writable, theirs!.get(page)!.writable, entry.young, theirs!.get(page)!.young]).toEqual([
        false,
        false,
        false,
        true,
      ]);
    }
    expect([0, 2].map((i) => ours!.get(BASE + i)!.dirty)).toEqual([true, false]);
    // Three entries write-protected, four set, two tables linked, and the entries of the kernel's half.
    expect(process.machine.counters().tableWrites - before).toBeGreaterThanOrEqual(9);
    const { low, high } = entryOf(process.machine, BASE, process.mm.root);
    const { READ: PAGE_READ, EXEC, PRIVILEGED } = Bit;
    expect([low & (PAGE_READ | EXEC | PRIVILEGED), high & ~0xffff]).toEqual([
      PAGE_READ | EXEC,
      entryOf(process.machine, BASE, parent.mm!.root).high & ~0xffff,
    ]);
  });

  it("keeps pages of a written shared mapping writable and makes the copy clean", () => {
    const process = new Process();
    process.mmap(BASE, 1, RW, SHARED);
    process.touch(BASE, WRITE);
    // In the model, only a stack fault assigns an anon_vma to shared memory. The test sets it, as mremap can leave it.
    const mm = KernelMm.of(process.mm);
    mm.vmas.prepareAnonVma(mm.vmas.find(toVpn(BASE))!);
    const parent = process.fork();
    const [theirs, ours] = [parent.mm!, process.mm].map((mm) => readUserTables(process.machine, mm).pages.get(BASE)!);
    expect(ours).toMatchObject({ pfn: theirs!.pfn, writable: true, dirty: false, young: false });
    expect(theirs).toMatchObject({ writable: true, dirty: true });
  });

  it("increments the count of each page, which the last process frees", () => {
    const process = new Process();
    const free = (): number => process.machine.get(PageAllocator).freePages;
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    process.touch(BASE + 1, READ);
    const { tasks, mm } = process;
    const child = process.spaces.fork(mm);
    process.spaces.fork(mm);
    const before = free();
    process.spaces.munmap(child, toVpn(BASE), 2);
    expect(free()).toBe(before + 2);
    process.spaces.munmap(mm, toVpn(BASE), 2);
    expect(free()).toBe(before + 4);
    expect(tasks.current.mm).toBe(mm);
  });

  it("skips DONTFORK mappings and empties WIPEONFORK mappings, until the flag is cleared", () => {
    const process = new Process();
    const advice = [
      [MADV.DONTFORK],
      [MADV.WIPEONFORK],
      [MADV.DONTFORK, MADV.DOFORK],
      [MADV.WIPEONFORK, MADV.KEEPONFORK],
    ];
    advice.forEach((numbers, i) => {
      process.mmap(BASE + 2 * i, 1);
      process.touch(BASE + 2 * i, WRITE);
      for (const number of numbers) process.spaces.madvise(process.mm, toVpn(BASE + 2 * i), 1, number);
    });
    process.fork();
    expect([...readUserTables(process.machine, process.mm).pages.keys()]).toEqual([BASE + 4, BASE + 6]);
    expect([0, 2, 4, 6].map((i) => process.touch(BASE + i, READ))).toEqual([DENIED, 1, 0, 0]);
  });

  it("assigns no anon_vma to wiped and unwritten mappings and an inherited one to the rest", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.mmap(BASE + 2, 1);
    process.mmap(BASE + 4, 1);
    process.touch(BASE, WRITE);
    process.touch(BASE + 2, WRITE);
    process.spaces.madvise(process.mm, toVpn(BASE + 2), 1, MADV.WIPEONFORK);
    process.fork();
    process.fork();
    const { vmas } = KernelMm.of(process.mm);
    const state = [0, 2, 4].map((i) => [
      vmas.find(toVpn(BASE + i))!.anonVma !== 0,
      vmas.find(toVpn(BASE + i))!.inherited,
    ]);
    expect(state).toEqual([
      [true, true],
      [false, false],
      [false, false],
    ]);
  });

  it("does not share an inherited anon_vma with a neighbour, nor that of a mapping with the copy of another", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    process.fork();
    process.mmap(BASE + 1, 1);
    expect(KernelMm.of(process.mm).vmas.all).toHaveLength(2);
  });

  it("copies all flags of a mapping except VM_LOCKED", () => {
    const process = new Process();
    process.mmap(BASE, 1, Prot.READ, FILE | MAP_LOCKED | 0x4000);
    process.fork();
    const vma = KernelMm.of(process.mm).vmas.find(toVpn(BASE))!;
    expect([vma.flags, vma.prot, vma.end - vma.start]).toEqual([VmFlag.NORESERVE, Prot.READ, 1]);
    expect(vma.file).not.toBe(0);
  });

  it("invalidates the parent's writable translations once", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    const before = process.machine.counters().tlbInvalidations;
    const child = process.spaces.fork(process.mm);
    expect(process.machine.counters().tlbInvalidations - before).toBe(1);
    expect([process.touch(BASE, READ), process.touch(BASE, WRITE)]).toEqual([0, 1]);
    expect(frameOf(process.machine, BASE, child.root)).not.toBe(frameOf(process.machine, BASE, process.mm.root));
  });

  it("holds the locks of both tables, the child's first, in a lazy MMU section", () => {
    const calls: Call[] = [];
    const process = new Process(
      boot(
        {},
        {
          attach: record(["tableLocked", "tableUnlocking", "lazyMmuEnter", "lazyMmuLeave"], calls),
        },
      ),
    );
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    calls.length = 0;
    const child = process.spaces.fork(process.mm);
    const [theirs, ours] = [process.mm, child].map(({ root }) => entryOf(process.machine, BASE, root).table);
    expect(calls.slice(-6)).toEqual([
      ["tableLocked", ours],
      ["tableLocked", theirs],
      ["lazyMmuEnter"],
      ["lazyMmuLeave", 0, true],
      ["tableUnlocking", theirs],
      ["tableUnlocking", ours],
    ]);
  });
});

it("a run of pages is protected and copied like single pages", () => {
  const process = new Process();
  process.mmap(BASE, 64, RW, ANONYMOUS | MapFlag.POPULATE);
  process.spaces.munmap(process.mm, toVpn(BASE + 20), 1);
  process.mmap(BASE + 20, 1);
  process.touch(BASE + 20, READ);
  const { writesBySetter: before } = process.machine.counters();
  process.spaces.fork(process.mm);
  const { writesBySetter: after } = process.machine.counters();
  expect(after.ptep_set_wrprotect - before.ptep_set_wrprotect).toBe(63);
  expect(after.set_pte - before.set_pte).toBe(64);
});
