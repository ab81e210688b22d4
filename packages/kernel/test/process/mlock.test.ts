import { Access, Errno, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { KernelMm } from "../../src/process/mm.js";
import { BASE, Process, RW, SHARED } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const MCL = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 };

/** VM_LOCKED and VM_LOCKONFAULT in the flags of the model's mappings. */
const LOCKED = 0x10;
const LOCKONFAULT = 0x1000;

/** The lock flags of each mapping. */
const lockFlags = (process: Process): number[] =>
  KernelMm.of(process.mm).vmas.all.map(({ flags }) => flags & (LOCKED | LOCKONFAULT));

/** The present pages, relative to BASE. */
function present(process: Process): number[] {
  const { pages } = readUserTables(process.machine, process.mm);
  return [...pages.keys()].map((page) => page - BASE).sort((a, b) => a - b);
}

describe("mlock", () => {
  it("populates the accessible mappings of a range and skips holes", () => {
    const process = new Process();
    process.mmap(BASE, 4);
    process.mmap(BASE + 5, 1, 0);
    process.mmap(BASE + 6, 4, Prot.READ);
    expect(process.spaces.mlock(process.mm, toVpn(BASE + 2), 6)).toBe(0);
    expect(present(process)).toEqual([2, 3, 6, 7]);
    expect(process.spaces.faults).toBe(0);
  });

  it("populates a mapping that grows by mremap or becomes private and writable, until munlock", () => {
    for (const unlock of [false, true]) {
      const process = new Process();
      process.mmap(BASE, 2, Prot.READ);
      process.spaces.mlock(process.mm, toVpn(BASE), 2);
      if (unlock) expect(process.spaces.munlock(process.mm, toVpn(BASE), 2)).toBe(0);
      process.spaces.mremap(process.mm, toVpn(BASE), 2, toVpn(BASE), 4);
      expect(present(process)).toEqual(unlock ? [0, 1] : [0, 1, 2, 3]);
      process.spaces.mprotect(process.mm, toVpn(BASE), 2, RW);
      const { pages } = readUserTables(process.machine, process.mm);
      expect([0, 1].map((i) => pages.get(BASE + i)!.writable)).toEqual([!unlock, !unlock]);
    }
    const process = new Process();
    process.mmap(BASE, 1, Prot.READ, SHARED);
    process.spaces.mlock(process.mm, toVpn(BASE), 1);
    process.spaces.madvise(process.mm, toVpn(BASE), 1, 4);
    process.spaces.mprotect(process.mm, toVpn(BASE), 1, RW);
    expect(present(process)).toEqual([]);
  });

  it("with MLOCK_ONFAULT locks a range without populating it, before and after it grows", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    expect(process.spaces.mlock(process.mm, toVpn(BASE), 2, 1)).toBe(0);
    expect(lockFlags(process)).toEqual([LOCKED | LOCKONFAULT]);
    process.spaces.mremap(process.mm, toVpn(BASE), 2, toVpn(BASE), 4);
    expect(present(process)).toEqual([]);
    expect(process.spaces.mlock(process.mm, toVpn(BASE), 4)).toBe(0);
    expect([lockFlags(process), present(process)]).toEqual([[LOCKED], [0, 1, 2, 3]]);
    expect(process.spaces.mlock(process.mm, toVpn(BASE), 4, 2)).toBe(Errno.EINVAL);
  });

  it("splits a mapping, which munlock merges", () => {
    const process = new Process();
    process.mmap(BASE, 9);
    const count = (): number => KernelMm.of(process.mm).vmas.all.length;
    process.spaces.mlock(process.mm, toVpn(BASE + 3), 3);
    expect(count()).toBe(3);
    process.spaces.munlock(process.mm, toVpn(BASE + 3), 3);
    expect(count()).toBe(1);
  });
});

describe("mlockall", () => {
  it.each([
    [MCL.CURRENT, [0, 1], []],
    [MCL.FUTURE, [], [8, 9]],
    [MCL.CURRENT | MCL.FUTURE, [0, 1], [8, 9]],
    [MCL.CURRENT | MCL.ONFAULT, [], []],
    [MCL.FUTURE | MCL.ONFAULT, [], []],
    [0, [], []],
  ])("with flags %d populates current or future mappings", (flags, now, later) => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.spaces.mlockall(process.mm, flags);
    expect(present(process)).toEqual(now);
    process.mmap(BASE + 8, 2);
    expect(present(process)).toEqual([...now, ...later]);
  });

  it("of future mappings includes the heap and ends with munlockall, which unlocks all mappings", () => {
    const process = new Process();
    process.spaces.brk(process.mm, toVpn(BASE));
    process.spaces.mlockall(process.mm, MCL.FUTURE);
    process.spaces.brk(process.mm, toVpn(BASE + 2));
    expect(present(process)).toEqual([0, 1]);
    process.spaces.mlockall(process.mm, 0);
    process.spaces.brk(process.mm, toVpn(BASE + 4));
    expect(present(process)).toEqual([0, 1]);
    expect(KernelMm.of(process.mm).vmas.all).toHaveLength(1);
  });

  it("with ONFAULT locks mappings without populating them; nor do growth and mprotect", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.spaces.mlockall(process.mm, MCL.CURRENT | MCL.ONFAULT);
    expect(lockFlags(process)).toEqual([LOCKED | LOCKONFAULT]);
    process.spaces.mremap(process.mm, toVpn(BASE), 1, toVpn(BASE), 3);
    process.spaces.mprotect(process.mm, toVpn(BASE), 3, Prot.READ);
    process.spaces.mprotect(process.mm, toVpn(BASE), 3, Prot.READ | Prot.WRITE);
    expect(present(process)).toEqual([]);
    process.touch(BASE + 1, Access.READ);
    expect(present(process)).toEqual([1]);
  });

  it("with FUTURE and ONFAULT locks later mappings and the heap without populating them, also with MAP_POPULATE", () => {
    const process = new Process();
    process.spaces.brk(process.mm, toVpn(BASE));
    process.spaces.mlockall(process.mm, MCL.FUTURE | MCL.ONFAULT);
    process.spaces.brk(process.mm, toVpn(BASE + 2));
    process.mmap(BASE + 8, 2, Prot.READ, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE);
    expect(lockFlags(process)).toEqual([LOCKED | LOCKONFAULT, LOCKED | LOCKONFAULT]);
    expect(present(process)).toEqual([]);
    process.spaces.mlock(process.mm, toVpn(BASE + 8), 2);
    expect([lockFlags(process), present(process)]).toEqual([
      [LOCKED | LOCKONFAULT, LOCKED],
      [8, 9],
    ]);
    const child = KernelMm.of(process.spaces.fork(process.mm));
    expect(child.vmas.all.map(({ flags }) => flags & (LOCKED | LOCKONFAULT))).toEqual([0, 0]);
    process.spaces.munlock(process.mm, toVpn(BASE), 2);
    expect(lockFlags(process)).toEqual([0, LOCKED]);
  });
});
