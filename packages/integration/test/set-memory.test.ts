import {
  Access,
  Errno,
  Exceptions,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  Privilege,
  SetMemory,
  toLevel,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

/** The key in the leaf that maps a kernel page. */
function pkeyAt(machine: Machine, page: number): number {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const { high, low } = tables.entryAt(tables.root, toLevel(format.geometry.levels.length - 1), toVpn(page))!.read();
  return format.entryKeys!.pkeyOf(high, low);
}

describe.each(ARCHES)("set_memory_pkey on %s", (arch) => {
  const machine = hardened(arch);
  const setMemory = machine.get(SetMemory);
  const linearMap = machine.get(LinearMap);
  const pfn = machine.get(PageAllocator).alloc(2)!;
  const first = linearMap.pageOf(pfn);
  const { high, low } = linearMap.address(pfn);
  const lastKey = arch === "arm64-poe" ? 7 : 15;
  const write = (): number => machine.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8));

  it("changes the entries, so that the next write obeys the key at once", () => {
    expect(write()).toBe(0);
    expect(setMemory.setMemoryPkey(first, 4, toPkey(1))).toBe(0);
    expect([0, 1, 2, 3].map((page) => pkeyAt(machine, first + page))).toEqual([1, 1, 1, 1]);
    expect(write()).toBe(Errno.EFAULT);
    expect(setMemory.setMemoryPkey(first, 4, toPkey(0))).toBe(0);
    expect(write()).toBe(0);
  });

  it("takes every key up to the last and refuses the one beyond, without touching an entry", () => {
    expect(setMemory.setMemoryPkey(first, 1, toPkey(lastKey))).toBe(0);
    expect(setMemory.setMemoryPkey(first, 1, toPkey(lastKey + 1))).toBe(Errno.EINVAL);
    expect(setMemory.setMemoryPkey(first, 1, toPkey(-1))).toBe(Errno.EINVAL);
    expect(pkeyAt(machine, first)).toBe(lastKey);
    expect(setMemory.setMemoryPkey(first, 1, toPkey(0))).toBe(0);
  });

  it("refuses an address outside the linear map", () => {
    const image = linearMap.imageAddress();
    expect(setMemory.setMemoryPkey(pageOf(image, 12), 1, toPkey(1))).toBe(Errno.EINVAL);
    expect(setMemory.setMemoryPkey(toVpn(1), 1, toPkey(1))).toBe(Errno.EINVAL);
    const last = machine.memory.endPfn - 1;
    expect(setMemory.setMemoryPkey(linearMap.pageOf(toPfn(last)), 2, toPkey(1))).toBe(Errno.EINVAL);
  });

  it("removes an address tag before it checks the range of the address", () => {
    const tagged = pageOf({ high: (high & 0x00ffffff) | 0x3c000000, low }, 12);
    expect(setMemory.setMemoryPkey(tagged, 1, toPkey(1))).toBe(0);
    expect(pkeyAt(machine, first)).toBe(1);
    expect(setMemory.setMemoryPkey(first, 1, toPkey(0))).toBe(0);
  });

  it("does nothing and succeeds on a CPU without kernel pkeys", () => {
    const plain = hardened(arch, {}, { options: { [arch]: { pkeys: false } } });
    const before = plain.counters();
    expect(plain.get(SetMemory).setMemoryPkey(first, 1, toPkey(1))).toBe(0);
    expect(plain.get(SetMemory).setMemoryPkey(toVpn(0), 1, toPkey(99))).toBe(0);
    expect(plain.counters()).toEqual(before);
  });

  it("an invalid direct mapping cannot be reached, and its default brings it back", () => {
    const page = machine.get(PageAllocator).alloc(0)!;
    const at = [linearMap.address(page).high, linearMap.address(page).low] as const;
    expect(setMemory.setDirectMapInvalid(page)).toBe(0);
    machine.cpus.current.mmu.invalidateAll();
    expect(machine.cpus.current.load64(...at)).toBe(-1);
    expect(setMemory.setDirectMapDefault(page)).toBe(0);
    expect(machine.cpus.current.store64(...at, 0, 0)).toBe(0);
  });
});

/** High and low word of a virtual page's address. */
function wordsOf(page: number): readonly [high: number, low: number] {
  return [Math.floor(page / 0x100000) | 0, (page % 0x100000) << 12];
}

describe.each(ARCHES)("set_memory_ro, rw, nx, x on %s", (arch) => {
  const booted = hardened(arch);
  const { cpus } = booted;
  const setMemory = booted.get(SetMemory);
  const map = booted.get(LinearMap);
  const page = booted.get(Vmalloc).alloc(4)!;

  const store = (at: number): number => cpus.current.store64(...wordsOf(at), 1, 2);
  const fetch = (at: number): number => cpus.current.access(...wordsOf(at), Access.FETCH, Privilege.KERNEL);
  /** The frame of a vmalloc page, by a walk. */
  function frameAt(at: number): number {
    let pfn = -1;
    const format = booted.get(PageTableFormat);
    cpus.current.mmu.walk(...wordsOf(at), ({ high, low }) => (pfn = format.pfnOf(high, low)));
    return pfn;
  }
  const storeAlias = (machine: Machine, pfn: number): number =>
    machine.cpus.current.store64(map.address(toPfn(pfn)).high, map.address(toPfn(pfn)).low, 1, 2);

  it("make exactly the pages asked for read-only, at once, and writable again", () => {
    expect([0, 1, 2, 3].map((i) => store(page + i))).toEqual([0, 0, 0, 0]);
    expect(setMemory.setMemoryRo(toVpn(page + 1), 2)).toBe(0);
    expect([0, 1, 2, 3].map((i) => store(page + i))).toEqual([0, -1, -1, 0]);
    expect(setMemory.setMemoryRw(toVpn(page + 1), 2)).toBe(0);
    expect([0, 1, 2, 3].map((i) => store(page + i))).toEqual([0, 0, 0, 0]);
  });

  it("have the linear map follow with rodata=full, and only then", () => {
    const pfn = frameAt(page + 1);
    expect(storeAlias(booted, pfn)).toBe(0);
    setMemory.setMemoryRo(toVpn(page + 1), 1);
    expect([storeAlias(booted, pfn), storeAlias(booted, frameAt(page + 2))]).toEqual([-1, 0]);
    setMemory.setMemoryRw(toVpn(page + 1), 1);
    expect(storeAlias(booted, pfn)).toBe(0);

    const plain = hardened(arch, {}, { boot: { rodata: "on" } });
    const area = plain.get(Vmalloc).alloc(1)!;
    plain.get(SetMemory).setMemoryRo(area, 1);
    let frame = -1;
    const format = plain.get(PageTableFormat);
    plain.cpus.current.mmu.walk(...wordsOf(area), ({ high, low }) => (frame = format.pfnOf(high, low)));
    expect([plain.cpus.current.store64(...wordsOf(area), 1, 2), storeAlias(plain, frame)]).toEqual([-1, 0]);
  });

  it("allow execution and take it back", () => {
    expect(fetch(page)).toBe(-1);
    expect(setMemory.setMemoryX(page, 1)).toBe(0);
    expect([fetch(page), fetch(page + 1)]).toEqual([0, -1]);
    expect(setMemory.setMemoryNx(page, 1)).toBe(0);
    expect(fetch(page)).toBe(-1);
  });

  it("take nothing but a vmalloc area, and none of it beyond its end", () => {
    const names = ["setMemoryRo", "setMemoryRw", "setMemoryNx", "setMemoryX"] as const;
    const frame = frameAt(page);
    const image = map.imageAddress();
    const before = booted.counters();
    for (const name of names) {
      const change = (at: number, pages: number): number => setMemory[name](toVpn(at), pages);
      expect(change(map.pageOf(toPfn(frame)), 1)).toBe(Errno.EINVAL);
      expect(change(pageOf(image, 12), 1)).toBe(Errno.EINVAL);
      expect(change(1, 1)).toBe(Errno.EINVAL);
      expect(change(page + 3, 2)).toBe(Errno.EINVAL);
      expect(change(page + 4, 1)).toBe(Errno.EINVAL);
      expect(change(page, 0)).toBe(0);
    }
    expect(booted.counters()).toEqual(before);
  });

  it("keep the key of what they change", () => {
    const frame = frameAt(page + 2);
    setMemory.setMemoryPkey(map.pageOf(toPfn(frame)), 1, toPkey(1));
    setMemory.setMemoryRo(toVpn(page + 2), 1);
    setMemory.setMemoryRw(toVpn(page + 2), 1);
    expect(pkeyAt(booted, map.pageOf(toPfn(frame)))).toBe(1);
    setMemory.setMemoryPkey(map.pageOf(toPfn(frame)), 1, toPkey(0));
  });
});

describe.each(ARCHES)("set_memory_valid and set_direct_map_* on %s", (arch) => {
  it("set_memory_valid makes pages unreachable at once, and needs no invalidation to make them valid", () => {
    const booted = hardened(arch);
    const setMemory = booted.get(SetMemory);
    const page = booted.get(Vmalloc).alloc(3)!;
    const load = (): number[] => [0, 1, 2].map((i) => booted.cpus.current.load64(...wordsOf(page + i)));
    expect(load()).toEqual([0, 0, 0]);
    const counted = (act: () => void): number => {
      const before = booted.counters().tlbInvalidations;
      act();
      return booted.counters().tlbInvalidations - before;
    };
    expect(counted(() => setMemory.setMemoryValid(page, 2, false))).toBe(1);
    expect(load()).toEqual([-1, -1, 0]);
    expect(counted(() => setMemory.setMemoryValid(page, 2, true))).toBe(0);
    expect(load()).toEqual([0, 0, 0]);
    const before = booted.counters();
    expect(setMemory.setMemoryValid(page, 4, false)).toBe(Errno.EINVAL);
    expect(booted.counters()).toEqual(before);
    expect(setMemory.setMemoryValid(toVpn(page + 3), 0, false)).toBe(0);
  });

  it("set_memory_valid changes a part of no block but the linear map's", () => {
    const booted = hardened(arch);
    const { high, low } = booted.get(LinearMap).structPage(booted.memory.firstPfn);
    const first = pageOf({ high, low }, 12);
    expect(booted.get(SetMemory).setMemoryValid(first, 1, false)).toBe(Errno.EINVAL);
    expect(booted.get(SetMemory).setMemoryValid(first, 511, false)).toBe(Errno.EINVAL);
    expect(booted.cpus.current.load64(high, low)).toBe(0);
  });

  it("the _noflush calls leave translations in the TLB, and their default makes a read-only page writable", () => {
    const booted = hardened(arch);
    const setMemory = booted.get(SetMemory);
    const map = booted.get(LinearMap);
    const pfn = booted.get(PageAllocator).alloc(0)!;
    const at = [map.address(pfn).high, map.address(pfn).low] as const;
    expect(booted.cpus.current.load64(...at)).toBe(0);
    expect(setMemory.setDirectMapInvalid(pfn)).toBe(0);
    expect(booted.cpus.current.load64(...at)).toBe(0);
    booted.cpus.current.mmu.invalidateAll();
    expect(booted.cpus.current.load64(...at)).toBe(-1);
    expect(setMemory.setDirectMapDefault(pfn)).toBe(0);
    expect(booted.cpus.current.store64(...at, 1, 2)).toBe(0);
    expect(setMemory.setDirectMapValid(pfn, 1, false)).toBe(0);
    expect(booted.cpus.current.load64(...at)).toBe(-1);
    expect(setMemory.setDirectMapValid(pfn, 1, true)).toBe(0);
    expect(booted.cpus.current.load64(...at)).toBe(0);
  });

  it("refuse a page that is no RAM", () => {
    const booted = hardened(arch);
    const setMemory = booted.get(SetMemory);
    const { endPfn } = booted.memory;
    expect(setMemory.setDirectMapInvalid(toPfn(endPfn))).toBe(Errno.EINVAL);
    expect(setMemory.setDirectMapDefault(toPfn(-1))).toBe(Errno.EINVAL);
    expect(setMemory.setDirectMapValid(toPfn(endPfn - 1), 2, false)).toBe(Errno.EINVAL);
    expect(setMemory.setDirectMapValid(toPfn(endPfn - 1), 0, false)).toBe(0);
  });

  it("do nothing, and succeed, where the linear map cannot be changed: no rodata=full and no early kernel pkeys", () => {
    const boot = { rodata: "on" } as const;
    const cases = [
      [machine(arch, { boot }), false],
      [machine(arch, { boot: { rodata: "full" } }), true],
      [hardened(arch, {}, { boot }), true],
      [hardened(arch, {}, { boot, options: { [arch]: { pkeys: false } } }), false],
    ] as const;
    for (const [booted, can] of cases) {
      const setMemory = booted.get(SetMemory);
      const before = booted.counters().tableWrites;
      const pfn = booted.get(PageAllocator).alloc(0)!;
      expect(setMemory.canSetDirectMap()).toBe(can);
      expect(setMemory.setDirectMapInvalid(pfn)).toBe(0);
      expect(setMemory.setDirectMapValid(pfn, 1, true)).toBe(0);
      expect(booted.counters().tableWrites - before).toBe(can ? 2 : 0);
    }
  });
});

describe.each(ARCHES)("set_memory_pkey on %s", (arch) => {
  it("refuses a range with a hole in it before it has changed anything", () => {
    const GAP = 64 * 1024 * 1024;
    const start = arch === "arm64-poe" ? 0x80000000 : 0;
    const booted = hardened(
      arch,
      {},
      {
        memory: [
          { start, bytes: 2 * GAP },
          { start: start + 3 * GAP, bytes: GAP },
        ],
      },
    );
    const map = booted.get(LinearMap);
    const last = booted.memory.firstPfn + (2 * GAP) / 4096 - 1;
    const before = booted.counters();
    const pages = GAP / 4096 + 2;
    expect(booted.get(SetMemory).setMemoryPkey(map.pageOf(toPfn(last)), pages, toPkey(1))).toBe(Errno.EINVAL);
    expect(booted.counters()).toEqual(before);
  });
});

describe.each(ARCHES)("vmalloc on %s", (arch) => {
  it("maps pages that can be written, and unmaps them with their translations", () => {
    const machine = hardened(arch);
    const vmalloc = machine.get(Vmalloc);
    const cpu = machine.cpus.current;
    const free = machine.get(PageAllocator).freePages;
    const page = vmalloc.alloc(3)!;
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
