import { describe, expect, expectTypeOf, it } from "vitest";
import {
  Errno,
  NULL,
  pageOf,
  physAddrOf,
  toLevel,
  toPfn,
  toPhysAddr,
  toPkey,
  toVirtAddr,
  toVpn,
  wordsOf,
} from "../src/contracts/index.js";
import type {
  Asid,
  Cpu,
  FAULT,
  KernelLayout,
  KernelMemory,
  Level,
  LinearMap,
  OK,
  PageAllocator,
  PageTables,
  Pfn,
  PhysAddr,
  Pkey,
  SetMemory,
  VirtAddr,
  Vpn,
} from "../src/contracts/index.js";

describe("numbers with types", () => {
  it("are numbers, but none is taken for another kind or for a plain number", () => {
    expectTypeOf<Pfn>().toExtend<number>();
    expectTypeOf<number>().not.toExtend<Pfn>();
    expectTypeOf<Pfn>().not.toExtend<Vpn>();
    expectTypeOf<Vpn>().not.toExtend<Pfn>();
    expectTypeOf<Level>().not.toExtend<Pkey>();
    expectTypeOf<Pkey>().not.toExtend<Asid>();
    expectTypeOf<PhysAddr>().not.toExtend<Pfn>();
    expectTypeOf<Pfn>().not.toExtend<PhysAddr>();
    expectTypeOf<VirtAddr>().toExtend<bigint>();
    expectTypeOf<bigint>().not.toExtend<VirtAddr>();
    expectTypeOf<Errno>().not.toExtend<Pfn>();
    expectTypeOf<-12>().not.toExtend<Errno>();
  });

  it("have types for a missing value and for an error", () => {
    expectTypeOf<ReturnType<PageAllocator["alloc"]>>().toEqualTypeOf<Pfn | undefined>();
    expectTypeOf<ReturnType<LinearMap["pfnOf"]>>().toEqualTypeOf<Pfn | undefined>();
    expectTypeOf<ReturnType<SetMemory["setMemoryPkey"]>>().toEqualTypeOf<0 | Errno>();
    expectTypeOf<ReturnType<Cpu["load64"]>>().toEqualTypeOf<typeof OK | typeof FAULT>();
    expectTypeOf<KernelLayout["ramBase"]>().toEqualTypeOf<PhysAddr>();
  });

  it("are the error numbers of Linux, all negative", () => {
    expect(Errno).toEqual({ ENOMEM: -12, EFAULT: -14, EBUSY: -16, EEXIST: -17, EINVAL: -22, EDEADLK: -35 });
  });

  it("give physical addresses of a page frame, up to 52 bits", () => {
    expect(physAddrOf(toPfn(3), 12, 8)).toBe(0x3008);
    expect(physAddrOf(toPfn(2 ** 36 - 1), 16, 0xfff8)).toBe(2 ** 52 - 8);
    expect([NULL, toVirtAddr(1n << 63n)]).toEqual([0, 1n << 63n]);
  });

  it("keep two swapped arguments from compiling", () => {
    const calls = (tables: PageTables, memory: SetMemory, map: LinearMap): void => {
      const [level, table, page, pkey] = [toLevel(3), toPfn(1), toVpn(2), toPkey(1)];
      const entry = { high: 0, low: 0 };
      tables.setEntry(level, table, 0, entry);
      // @ts-expect-error - the table before the level
      tables.setEntry(table, level, 0, entry);
      // @ts-expect-error - an index before the table
      tables.setPte(0, table, entry);
      // @ts-expect-error - a page frame where a virtual page is wanted
      tables.entryAt(table, level, table);
      memory.setMemoryPkey(page, 1, pkey);
      // @ts-expect-error - the key before the number of pages
      memory.setMemoryPkey(page, pkey, 1);
      // @ts-expect-error - a virtual page where a page frame is wanted
      map.pageOf(page);
    };
    const pointers = (memory: KernelMemory): void => {
      const [pfn, address] = [toPfn(1), toPhysAddr(0x1000)];
      memory.copy(address, address, 8, "test");
      // @ts-expect-error - a page frame where a physical address is wanted
      memory.load(pfn, "test");
      // @ts-expect-error - the length before the source
      memory.copy(address, 8, address, "test");
    };
    expect(pointers).toBeTypeOf("function");
    expect(calls).toBeTypeOf("function");
  });

  it("convert to the words of an address and back", () => {
    for (const page of [0, 1, 2 ** 35 - 1, 2 ** 36, 2 ** 52 - 1].map(toVpn)) {
      expect(pageOf(wordsOf(page, 12, 0xff8), 12)).toBe(page);
      expect(wordsOf(page, 12, 0xff8).low & 0xfff).toBe(0xff8);
    }
    expect(wordsOf(toVpn(2 ** 52 - 2 ** 35), 12)).toEqual({ high: -32768, low: 0 });
  });
});
