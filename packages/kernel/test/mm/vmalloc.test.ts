import { PageAllocator, PageTables, toPfn, toPhysAddr, toVirtAddr, toVpn, Vmalloc } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { KernelVmalloc } from "../../src/mm/vmalloc.js";
import { pgtableVariant } from "../support/arches.js";
import { boot, entryOf, ENTRIES, frameOf, kernelService, record, staleTranslations } from "../support/machine.js";
import type { Call } from "../support/machine.js";

/** First page of the example architecture's vmalloc area. */
const START = Number(0xffffe00000000000n >> 14n);
const MISUSE = expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error;

const free = (machine: Machine): number => machine.get(PageAllocator).freePages;

/** An architecture with a vmalloc area of the given number of pages. */
const small = (pages: number): ReturnType<typeof pgtableVariant> =>
  pgtableVariant({
    layout: {
      linearMap: toVirtAddr(0xffffc00000000000n),
      image: toVirtAddr(0xffffffff82000000n),
      vmallocStart: toVirtAddr(0xffffe00000000000n),
      vmallocEnd: toVirtAddr(0xffffe00000000000n + BigInt(pages << 14)),
      vmemmap: toVirtAddr(0xfffff00000000000n),
      structPageSize: 64,
      fixmap: toVirtAddr(0xffffffffff000000n),
      userEnd: toVirtAddr(1n << 46n),
      ramBase: toPhysAddr(0x40000000),
      imageOffset: 0x2000000,
    },
  });

describe("vmalloc", () => {
  it("uses the first gap for the area and a guard page, maps each page, and frees all", () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 }), fc.boolean()), { maxLength: 30 });
    const machine = boot();
    const vmalloc = machine.get(Vmalloc);
    const own = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(() => machine.get(PageAllocator).alloc(0)!);
    // The table stays when the last area is freed.
    vmalloc.free(vmalloc.alloc(1)!);
    const before = free(machine);
    fc.assert(
      fc.property(steps, (all) => {
        const areas: { page: number; pages: number; ram: boolean }[] = [];
        const used = (page: number): boolean =>
          areas.some((area) => page >= area.page && page <= area.page + area.pages);
        for (const [frees, pages, ram] of all) {
          const area = frees ? areas.shift() : undefined;
          if (area !== undefined) {
            if (area.ram) vmalloc.unmapRam(toVpn(area.page));
            else vmalloc.free(toVpn(area.page));
            for (let i = 0; i < area.pages; i++) expect(frameOf(machine, area.page + i)).toBe(-1);
            continue;
          }
          let expected = START;
          while (Array.from({ length: pages + 1 }, (_, i) => expected + i).some(used)) expected++;
          const page = (ram ? vmalloc.mapRam(own.slice(0, pages)) : vmalloc.alloc(pages))!;
          expect(page).toBe(expected);
          areas.push({ page, pages, ram });
          const frames = Array.from({ length: pages }, (_, i) => frameOf(machine, page + i));
          if (ram) expect(frames).toEqual(own.slice(0, pages));
          else expect(new Set(frames).size).toBe(pages);
          expect(frameOf(machine, page + pages)).toBe(-1);
        }
        const owned = areas.filter(({ ram }) => !ram).reduce((sum, { pages }) => sum + pages, 0);
        expect(before - free(machine)).toBe(owned);
        for (const { page, ram } of areas)
          if (ram) vmalloc.unmapRam(toVpn(page));
          else vmalloc.free(toVpn(page));
        expect(free(machine)).toBe(before);
        expect(staleTranslations(machine)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("maps writable pages in one lazy MMU section for each table, and unmaps with one invalidation", () => {
    const calls: Call[] = [];
    const machine = boot(
      {},
      {
        attach: record(["lazyMmuEnter", "lazyMmuLeave", "operationEnter", "operationExit"], calls),
      },
    );
    const vmalloc = machine.get(Vmalloc);
    vmalloc.mapRam(Array<Pfn>(ENTRIES - 4).fill(toPfn(7)));
    calls.length = 0;
    const section = ["lazyMmuEnter", "lazyMmuLeave"];
    const page = vmalloc.alloc(5)!;
    expect(page).toBe(START + ENTRIES - 3);
    expect(calls.map(([point]) => point)).toEqual(["operationEnter", ...section, ...section, "operationExit"]);
    const cpu = machine.cpus.current;
    const [high, low] = [Math.floor((page * 2 ** 14) / 2 ** 32) | 0, (page << 14) | 0];
    expect(cpu.store64(high, low, 7, 8)).toBe(0);
    calls.length = 0;
    const before = machine.counters();
    vmalloc.free(page);
    const after = machine.counters();
    expect(calls.map(([point]) => point)).toEqual(["operationEnter", ...section, ...section, "operationExit"]);
    expect([after.tlbInvalidations - before.tlbInvalidations, after.tablesFreed - before.tablesFreed]).toEqual([1, 0]);
    expect(after.writesBySetter.ptep_get_and_clear - before.writesBySetter.ptep_get_and_clear).toBe(5);
    expect([cpu.store64(high, low, 7, 8), staleTranslations(machine)]).toEqual([-1, 0]);
  });

  it("fails if the area and its guard page do not fit", () => {
    const machine = boot({}, { arch: small(8) });
    const vmalloc = machine.get(Vmalloc);
    const before = free(machine);
    expect([vmalloc.alloc(8), free(machine)]).toEqual([undefined, before]);
    const page = vmalloc.alloc(3)!;
    expect([page, vmalloc.alloc(4), vmalloc.mapRam([toPfn(1), toPfn(2), toPfn(3), toPfn(4)])]).toEqual([
      START,
      undefined,
      undefined,
    ]);
    expect([vmalloc.alloc(3), vmalloc.alloc(1)]).toEqual([START + 4, undefined]);
    vmalloc.free(page);
    expect([vmalloc.alloc(1), vmalloc.alloc(1), vmalloc.alloc(1)]).toEqual([START, START + 2, undefined]);
  });

  it("frees its pages if memory is exhausted", () => {
    const machine = boot();
    const before = free(machine);
    expect(machine.get(Vmalloc).alloc(before + 1)).toBeUndefined();
    expect(free(machine)).toBe(before);
  });

  it.each([
    [
      "vfree of an unmapped page",
      (vmalloc: Vmalloc, page: number) => {
        vmalloc.free(toVpn(page + 9));
      },
    ],
    [
      "vfree of a page inside an area",
      (vmalloc: Vmalloc, page: number) => {
        vmalloc.free(toVpn(page + 1));
      },
    ],
    [
      "vm_unmap_ram of a vmalloc area",
      (vmalloc: Vmalloc, page: number) => {
        vmalloc.unmapRam(toVpn(page));
      },
    ],
    [
      "vfree of a vm_map_ram area",
      (vmalloc: Vmalloc) => {
        vmalloc.free(vmalloc.mapRam([toPfn(7)])!);
      },
    ],
  ])("rejects %s and changes nothing", (_, act) => {
    const machine = boot();
    const vmalloc = machine.get(Vmalloc);
    const page = vmalloc.alloc(3)!;
    const before = free(machine);
    expect(() => {
      act(vmalloc, page);
    }).toThrow(MISUSE);
    expect([free(machine), frameOf(machine, page) >= 0]).toEqual([before, true]);
  });

  it("returns the frames of a run of pages of one area", () => {
    const vmalloc = kernelService(boot(), Vmalloc, KernelVmalloc);
    const frames = [11, 12, 33].map(toPfn);
    const page = vmalloc.mapRam(frames)!;
    const other = vmalloc.mapRam([toPfn(44)])!;
    expect(other).toBe(page + 4);
    expect([
      vmalloc.framesAt(page, 3),
      vmalloc.framesAt(toVpn(page + 1), 2),
      vmalloc.framesAt(toVpn(page + 1), 1),
      vmalloc.framesAt(page, 0),
      vmalloc.framesAt(page, 4),
      vmalloc.framesAt(toVpn(page + 3), 0),
      vmalloc.framesAt(toVpn(page - 1), 1),
      vmalloc.framesAt(toVpn(page + 2), 2),
      vmalloc.framesAt(other, 1),
    ]).toEqual([frames, [12, 33], [12], [], undefined, undefined, undefined, undefined, [44]]);
  });
});

describe("vmalloc_huge", () => {
  const machine = boot({}, { arch: pgtableVariant({ contPteOrder: 2 }) });
  const vmalloc = machine.get(Vmalloc);
  const framesOf = (page: number, pages: number): number[] =>
    Array.from({ length: pages }, (_, i) => frameOf(machine, page + i));

  it("allocates and maps aligned blocks and rounds the length up to blocks", () => {
    expect(vmalloc.alloc(1)).toBe(START);
    const page = vmalloc.alloc(5, { huge: true })!;
    expect([page % 4, page]).toEqual([0, START + 4]);
    const frames = framesOf(page, 9);
    expect(frames.map((frame) => frame - frames[0]!).slice(1, 4)).toEqual([1, 2, 3]);
    expect(frames.map((frame) => frame - frames[4]!).slice(5, 8)).toEqual([1, 2, 3]);
    expect([frames[0]! % 4, frames[4]! % 4, frames[8]]).toEqual([0, 0, -1]);
    const before = free(machine);
    vmalloc.free(page);
    expect(free(machine) - before).toBe(8);
  });

  it("allocates single pages if the length is less than a block or blocks are not requested", () => {
    expect([vmalloc.alloc(3, { huge: true }), vmalloc.alloc(4)]).toEqual([START + 2, START + 6]);
    const page = vmalloc.alloc(4, { huge: true });
    expect(page).toBe(START + 12);
  });

  it("writes each block as one run in a lazy MMU section", () => {
    const calls: Call[] = [];
    const booted = boot(
      {},
      {
        arch: pgtableVariant({ contPteOrder: 2 }),
        attach: record(["lazyMmuEnter"], calls),
      },
    );
    calls.length = 0;
    booted.get(Vmalloc).alloc(8, { huge: true });
    expect(calls).toHaveLength(2);
    expect(booted.get(PageTables).sourceOf(toPfn(entryOf(booted, START).table))).toBe("kernel");
  });
});
