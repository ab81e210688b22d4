import {
  Errno,
  Exceptions,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
  SetMemory,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** The key in the leaf that maps a kernel address. */
function pkeyAt(machine: Machine, high: number, low: number): number {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const level = format.geometry.levels.length - 1;
  tables.read(tables.tableAt(tables.root, level, high, low), format.index(level, high, low));
  return format.pkeyOf(tables.entryHigh, tables.entryLow);
}

describe.each(ARCHES)("set_memory_pkey on %s", (arch) => {
  const machine = hardened(arch);
  const setMemory = machine.get(SetMemory);
  const linearMap = machine.get(LinearMap);
  const pfn = machine.get(PageAllocator).alloc(2);
  const high = linearMap.addressHigh(pfn);
  const low = linearMap.addressLow(pfn);
  const lastKey = arch === "arm64-poe" ? 7 : 15;
  const write = (): number => machine.get(Exceptions).copyToKernelNofault(high, low, 0, 0);

  it("changes the entries, so that the next write obeys the key at once", () => {
    expect(write()).toBe(0);
    expect(setMemory.setMemoryPkey(high, low, 4, 1)).toBe(0);
    expect([0, 1, 2, 3].map((page) => pkeyAt(machine, high, low + page * 4096))).toEqual([1, 1, 1, 1]);
    expect(write()).toBe(Errno.EFAULT);
    expect(setMemory.setMemoryPkey(high, low, 4, 0)).toBe(0);
    expect(write()).toBe(0);
  });

  it("takes every key up to the last and refuses the one beyond, without touching an entry", () => {
    expect(setMemory.setMemoryPkey(high, low, 1, lastKey)).toBe(0);
    expect(setMemory.setMemoryPkey(high, low, 1, lastKey + 1)).toBe(Errno.EINVAL);
    expect(setMemory.setMemoryPkey(high, low, 1, -1)).toBe(Errno.EINVAL);
    expect(pkeyAt(machine, high, low)).toBe(lastKey);
    expect(setMemory.setMemoryPkey(high, low, 1, 0)).toBe(0);
  });

  it("refuses an address outside the linear map", () => {
    const image = linearMap.imageAddress();
    expect(setMemory.setMemoryPkey(image.high, image.low, 1, 1)).toBe(Errno.EINVAL);
    expect(setMemory.setMemoryPkey(0, 0x1000, 1, 1)).toBe(Errno.EINVAL);
    const last = machine.memory.endPfn - 1;
    expect(setMemory.setMemoryPkey(linearMap.addressHigh(last), linearMap.addressLow(last), 2, 1)).toBe(Errno.EINVAL);
  });

  it("removes an address tag before it looks where the address lies", () => {
    const tagged = (high & 0x00ffffff) | 0x3c000000;
    expect(setMemory.setMemoryPkey(tagged, low, 1, 1)).toBe(0);
    expect(pkeyAt(machine, high, low)).toBe(1);
    expect(setMemory.setMemoryPkey(high, low, 1, 0)).toBe(0);
  });

  it("does nothing and succeeds on a CPU without kernel pkeys", () => {
    const plain = hardened(arch, {}, { options: { [arch]: { pkeys: false } } });
    const before = plain.counters();
    expect(plain.get(SetMemory).setMemoryPkey(high, low, 1, 1)).toBe(0);
    expect(plain.get(SetMemory).setMemoryPkey(0, 0, 1, 99)).toBe(0);
    expect(plain.counters()).toEqual(before);
  });

  it("an invalid direct mapping cannot be reached, and its default brings it back", () => {
    const page = machine.get(PageAllocator).alloc(0);
    const at = [linearMap.addressHigh(page), linearMap.addressLow(page)] as const;
    expect(setMemory.setDirectMapInvalid(page)).toBe(0);
    machine.cpus.current.mmu.invalidateAll();
    expect(machine.cpus.current.load64(...at)).toBe(-1);
    expect(setMemory.setDirectMapDefault(page)).toBe(0);
    expect(machine.cpus.current.store64(...at, 0, 0)).toBe(0);
  });
});

describe.each(ARCHES)("vmalloc on %s", (arch) => {
  it("maps pages that can be written, and unmaps them with their translations", () => {
    const machine = hardened(arch);
    const vmalloc = machine.get(Vmalloc);
    const cpu = machine.cpus.current;
    const free = machine.get(PageAllocator).freePages;
    const page = vmalloc.alloc(3);
    const high = Math.floor(page / 0x100000) | 0;
    const low = (page % 0x100000) << 12;
    expect(cpu.store64(high, low + 2 * 4096, 1, 2)).toBe(0);
    expect(cpu.store64(high, low + 3 * 4096, 1, 2)).toBe(-1);
    vmalloc.free(page);
    expect(cpu.store64(high, low + 2 * 4096, 1, 2)).toBe(-1);
    const tables = machine.counters().tablesAllocated - machine.counters().tablesFreed;
    const baseline = hardened(arch).counters();
    expect(free - machine.get(PageAllocator).freePages).toBe(
      tables - (baseline.tablesAllocated - baseline.tablesFreed),
    );
  });

  it("keys the tables that it makes after boot", () => {
    const machine = hardened(arch);
    machine.get(Vmalloc).alloc(1);
    const kernelTables = machine.scan().filter(({ source, level }) => source === "kernel" && level > 1);
    expect(kernelTables.length).toBeGreaterThan(0);
    for (const { aliases } of kernelTables) expect(aliases.map(({ pkey }) => pkey)).toEqual([1]);
  });
});
