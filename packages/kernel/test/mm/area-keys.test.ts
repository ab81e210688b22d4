import {
  Errno,
  LinearMap,
  PageAllocator,
  pageOf,
  PageKeys,
  PageTableFormat,
  SetMemory,
  toPfn,
  toPhysAddr,
  toPkey,
  toVirtAddr,
  toVpn,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { KernelLayout, Pfn, Vpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { pgtableVariant } from "../support/arches.js";
import { boot, ENTRIES, entryOf, frameOf, PAGE_SHIFT, staleTranslations } from "../support/machine.js";

const KEY = toPkey(2);
const NO_KEY = toPkey(0);
/** The example architecture has keys 0 to 2. */
const PAST_LAST = toPkey(32);
const MISUSE = expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error;
const OOPS = expect.objectContaining({ code: "ERR_KERNEL_FAULT", where: "clear_page, CPU 0" }) as Error;
const MODULES = 0xffffe90000000000n;

const LAYOUT: KernelLayout = {
  linearMap: toVirtAddr(0xffffc00000000000n),
  image: toVirtAddr(0xffffffff82000000n),
  vmallocStart: toVirtAddr(0xffffe00000000000n),
  vmallocEnd: toVirtAddr(0xffffe80000000000n),
  modulesStart: toVirtAddr(MODULES),
  modulesEnd: toVirtAddr(MODULES + (8n << BigInt(PAGE_SHIFT))),
  vmemmap: toVirtAddr(0xfffff00000000000n),
  structPageSize: 64,
  fixmap: toVirtAddr(0xffffffffff000000n),
  userEnd: toVirtAddr(1n << 46n),
  ramBase: toPhysAddr(0x40000000),
  imageOffset: 0x2000000,
};
const WITH_MODULES = pgtableVariant({ layout: LAYOUT });
const BLOCKS = { kernel: { linearMap: "block" }, memory: [{ bytes: 192 * 2 ** 20 }] } as const;

const free = (machine: Machine): number => machine.get(PageAllocator).freePages;
const linearPage = (machine: Machine, pfn: number): Vpn => machine.get(LinearMap).pageOf(toPfn(pfn));
const pages = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

function keyAt(machine: Machine, page: number): number {
  const { high, low } = entryOf(machine, page);
  return machine.get(PageKeys).ofLeaf(high, low, 0);
}

/** The key of a page in its area and in the linear map. */
function keysAt(machine: Machine, page: number): readonly [area: number, linear: number] {
  return [keyAt(machine, page), keyAt(machine, linearPage(machine, frameOf(machine, page)))];
}

/** Stores a word on each CPU, which fills its TLB. Returns whether all stores succeeded. */
function store(machine: Machine, page: number): boolean {
  const { high, low } = wordsOf(toVpn(page), PAGE_SHIFT);
  return machine.cpus.all.map((cpu) => cpu.store64(high, low, 7, 8)).every((status) => status === 0);
}

describe("vmalloc with a key", () => {
  it("zeroes the pages, then sets the key in both aliases, on all CPUs", () => {
    const machine = boot({ cpus: 2 });
    const vmalloc = machine.get(Vmalloc);
    const dirty = machine.get(PageAllocator).alloc(0)!;
    expect(store(machine, linearPage(machine, dirty))).toBe(true);
    machine.get(PageAllocator).free(dirty, 0);
    const page = vmalloc.alloc(5, { pkey: KEY })!;
    const frames = pages(page, 5).map((at) => frameOf(machine, at));
    expect(frames).toContain(dirty);
    for (const frame of frames) expect(machine.memory.read(toPfn(frame), 0)).toEqual({ high: 0, low: 0 });
    expect(pages(page, 5).map((at) => keysAt(machine, at))).toEqual(Array(5).fill([KEY, KEY]));
    expect(staleTranslations(machine)).toBe(0);
    expect([store(machine, page), store(machine, linearPage(machine, frames[0]!))]).toEqual([false, false]);
    const { pkeyCalls, pkeyPages } = machine.get(SetMemory).counters;
    expect([pkeyCalls, pkeyPages]).toEqual([1, 5]);
    vmalloc.free(page);
    expect(frames.map((frame) => keyAt(machine, linearPage(machine, frame)))).toEqual(Array(5).fill(NO_KEY));
    expect(frames.every((frame) => store(machine, linearPage(machine, frame)))).toBe(true);
    expect([staleTranslations(machine), machine.get(SetMemory).counters.pkeyPages]).toEqual([0, 10]);
  });

  it("maps with the protection and does not change the protection of the linear mapping", () => {
    const machine = boot();
    const format = machine.get(PageTableFormat);
    const page = machine.get(Vmalloc).alloc(2, { protection: "PAGE_KERNEL_ROX", pkey: KEY })!;
    const leaf = entryOf(machine, page);
    const rox = format.makeLeaf(2 as never, toPfn(frameOf(machine, page)), format.protections.PAGE_KERNEL_ROX);
    expect({ high: leaf.high, low: leaf.low }).not.toEqual(rox);
    expect([format.isWritable(leaf.high, leaf.low), keysAt(machine, page)]).toEqual([false, [KEY, KEY]]);
    const linear = entryOf(machine, linearPage(machine, frameOf(machine, page)));
    expect(format.isWritable(linear.high, linear.low)).toBe(true);
    const plain = machine.get(Vmalloc).alloc(1, { protection: "PAGE_KERNEL_ROX" })!;
    const { high, low } = entryOf(machine, plain);
    expect({ high, low }).toEqual(
      format.makeLeaf(2 as never, toPfn(frameOf(machine, plain)), format.protections.PAGE_KERNEL_ROX),
    );
  });

  it("zeroes pages and sets no key on a CPU without kernel pkeys; rejects a key past the last one", () => {
    const without = boot({ boot: { rodata: "full", kpkeys: "off" } });
    const frame = without.get(PageAllocator).alloc(0)!;
    expect(store(without, linearPage(without, frame))).toBe(true);
    without.get(PageAllocator).free(frame, 0);
    const page = without.get(Vmalloc).alloc(1, { pkey: PAST_LAST })!;
    expect([frameOf(without, page), without.memory.read(frame, 0)]).toEqual([frame, { high: 0, low: 0 }]);
    expect([keysAt(without, page), without.get(SetMemory).counters.pkeyCalls]).toEqual([[0, 0], 0]);

    const machine = boot();
    const before = free(machine);
    expect(() => machine.get(Vmalloc).alloc(1, { pkey: PAST_LAST })).toThrow(MISUSE);
    expect(() => machine.get(Vmalloc).alloc(1, { pkey: toPkey(-1) })).toThrow(MISUSE);
    expect(free(machine)).toBe(before);
  });

  it("oopses in clear_page on a frame that kept its key", () => {
    const machine = boot();
    const frame = machine.get(PageAllocator).alloc(0)!;
    machine.get(SetMemory).setMemoryPkey(linearPage(machine, frame), 1, KEY);
    machine.get(PageAllocator).free(frame, 0);
    expect(() => machine.get(Vmalloc).alloc(1, { pkey: KEY })).toThrow(OOPS);
  });

  it("changes nothing if a block of the linear map cannot be split", () => {
    let fails = false;
    const machine = boot(BLOCKS, {
      attach(points) {
        points.on("tablePageCtor", () => (fails ? Errno.ENOMEM : 0));
      },
    });
    const vmalloc = machine.get(Vmalloc);
    vmalloc.free(vmalloc.alloc(1)!);
    const before = [free(machine), machine.digestTables(), machine.get(LinearMap).stats().splits];
    fails = true;
    expect(vmalloc.alloc(3, { pkey: KEY })).toBeUndefined();
    expect([free(machine), machine.digestTables(), machine.get(LinearMap).stats().splits]).toEqual(before);
    fails = false;
    const page = vmalloc.alloc(3, { pkey: KEY })!;
    expect(machine.get(LinearMap).stats().splits).toBeGreaterThan(before[2] as number);
    expect(pages(page, 3).map((at) => keysAt(machine, at))).toEqual(Array(3).fill([KEY, KEY]));
    const neighbour = frameOf(machine, page) - 1;
    expect(keyAt(machine, linearPage(machine, neighbour))).toBe(0);
  });

  it("leaves no key if there is no table for the area", () => {
    let fails = false;
    const machine = boot(
      {},
      {
        attach(points) {
          points.on("tablePageCtor", () => (fails ? Errno.ENOMEM : 0));
        },
      },
    );
    const vmalloc = machine.get(Vmalloc);
    vmalloc.mapRam(Array<Pfn>(ENTRIES - 4).fill(toPfn(7)));
    const before = free(machine);
    fails = true;
    // Three pages of the area fit in the first table.
    expect([vmalloc.alloc(9, { pkey: KEY }), free(machine)]).toEqual([undefined, before]);
    fails = false;
    const page = vmalloc.alloc(9)!;
    expect(pages(page, 9).map((at) => keysAt(machine, at))).toEqual(Array(9).fill([0, 0]));
    expect([machine.get(SetMemory).counters.pkeyCalls, staleTranslations(machine)]).toEqual([0, 0]);
  });

  it("maps blocks with the key", () => {
    const machine = boot({}, { arch: pgtableVariant({ contPteOrder: 2 }) });
    const page = machine.get(Vmalloc).alloc(6, { huge: true, pkey: KEY })!;
    expect(pages(page, 8).map((at) => keysAt(machine, at))).toEqual(Array(8).fill([KEY, KEY]));
    expect(frameOf(machine, page + 8)).toBe(-1);
  });
});

describe("the module area", () => {
  const START = Number(MODULES >> BigInt(PAGE_SHIFT));

  it("has its own addresses, with a guard page after each area", () => {
    const machine = boot({}, { arch: WITH_MODULES });
    const vmalloc = machine.get(Vmalloc);
    const alloc = (count: number): number | undefined => vmalloc.alloc(count, { range: "modules" });
    const other = vmalloc.alloc(2)!;
    expect(other).toBe(Number(LAYOUT.vmallocStart >> BigInt(PAGE_SHIFT)));
    expect([alloc(8), alloc(3), alloc(4), alloc(3)]).toEqual([undefined, START, undefined, START + 4]);
    expect([alloc(1), vmalloc.alloc(1)]).toEqual([undefined, other + 3]);
    vmalloc.free(toVpn(START));
    expect([frameOf(machine, START), alloc(2), alloc(1)]).toEqual([-1, START, undefined]);
    expect(vmalloc.alloc(1)).toBe(other + 5);
  });

  it("is the vmalloc area on an architecture without one", () => {
    const vmalloc = boot().get(Vmalloc);
    const first = vmalloc.alloc(1, { range: "modules" })!;
    expect([first, vmalloc.alloc(1)]).toEqual([Number(LAYOUT.vmallocStart >> BigInt(PAGE_SHIFT)), first + 2]);
  });
});

describe("vmalloc_to_page", () => {
  it("finds the frame by a walk, in the vmalloc and module areas", () => {
    const machine = boot({}, { arch: WITH_MODULES });
    const vmalloc = machine.get(Vmalloc);
    const frames = [toPfn(machine.memory.firstPfn + 9), toPfn(machine.memory.firstPfn + 3)];
    const ram = vmalloc.mapRam(frames)!;
    const module = vmalloc.alloc(1, { range: "modules" })!;
    const owned = vmalloc.alloc(1)!;
    expect([vmalloc.pfnOf(ram), vmalloc.pfnOf(toVpn(ram + 1))]).toEqual(frames);
    expect([vmalloc.pfnOf(module), vmalloc.pfnOf(owned)]).toEqual([frameOf(machine, module), frameOf(machine, owned)]);
    // As pte_present(), a leaf that was made invalid has its address.
    machine.get(SetMemory).setMemoryValid(owned, 1, false);
    expect(vmalloc.pfnOf(owned)).not.toBeUndefined();
    // An entry that something else wrote counts, not the list of areas.
    const { table, index } = entryOf(machine, ram);
    const other = entryOf(machine, ram + 1);
    machine.memory.writeEntry(toPfn(table), index, { high: other.high, low: other.low });
    expect(vmalloc.pfnOf(ram)).toBe(frames[1]);
    vmalloc.free(module);
    expect([
      vmalloc.pfnOf(module),
      vmalloc.pfnOf(toVpn(ram + 2)),
      vmalloc.pfnOf(linearPage(machine, frames[0]!)),
      vmalloc.pfnOf(toVpn(1)),
    ]).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe("set_memory_pkey of an area", () => {
  it.each(["vmalloc", "modules", "vmap"] as const)(
    "changes both aliases of exactly its pages, and back: %s",
    (kind) => {
      const machine = boot({ cpus: 2 }, { arch: WITH_MODULES });
      const vmalloc = machine.get(Vmalloc);
      const service = machine.get(SetMemory);
      const own = [3, 0, 1, 2].map((i) => toPfn(machine.get(PageAllocator).alloc(2)! + i));
      const page = (kind === "vmap" ? vmalloc.mapRam(own) : vmalloc.alloc(4, { range: kind }))!;
      for (const at of pages(page, 4)) expect([store(machine, at), store(machine, linearOf(at))]).toEqual([true, true]);
      function linearOf(at: number): Vpn {
        return linearPage(machine, frameOf(machine, at));
      }
      const { high, low } = wordsOf(toVpn(page + 1), PAGE_SHIFT);
      const tagged = pageOf({ high: (high & 0xffffff) | (0x5a << 24), low }, PAGE_SHIFT);
      const before = { ...service.counters };
      expect(service.setMemoryPkey(tagged, 2, KEY)).toBe(0);
      expect(pages(page, 4).map((at) => keysAt(machine, at))).toEqual([
        [0, 0],
        [2, 2],
        [2, 2],
        [0, 0],
      ]);
      expect(pages(page, 4).map((at) => [store(machine, at), store(machine, linearOf(at))])).toEqual([
        [true, true],
        [false, false],
        [false, false],
        [true, true],
      ]);
      const after = service.counters;
      expect([after.pkeyCalls - before.pkeyCalls, after.pkeyPages - before.pkeyPages]).toEqual([1, 2]);
      expect([service.setMemoryPkey(page, 4, NO_KEY), staleTranslations(machine)]).toEqual([0, 0]);
      expect(pages(page, 4).map((at) => keysAt(machine, at))).toEqual(Array(4).fill([0, 0]));
      for (const at of pages(page, 4)) expect([store(machine, at), store(machine, linearOf(at))]).toEqual([true, true]);
    },
  );

  it("rejects a range that is not inside one area and changes nothing", () => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const page = machine.get(Vmalloc).alloc(3)!;
    machine.get(Vmalloc).alloc(3);
    const before = machine.digestTables();
    expect([
      service.setMemoryPkey(page, 4, KEY),
      service.setMemoryPkey(toVpn(page + 2), 3, KEY),
      service.setMemoryPkey(toVpn(page + 3), 1, KEY),
      service.setMemoryPkey(toVpn(page - 1), 2, KEY),
      service.setMemoryPkey(page, 0, KEY),
      service.setMemoryPkey(page, 1, PAST_LAST),
    ]).toEqual(Array(6).fill(Errno.EINVAL));
    expect([machine.digestTables(), service.counters.pkeyCalls]).toEqual([before, 0]);
  });

  it("changes only the area for a frame outside RAM", () => {
    const machine = boot();
    const device = toPfn(machine.memory.endPfn + 5);
    const page = machine.get(Vmalloc).mapRam([device])!;
    expect([machine.get(SetMemory).setMemoryPkey(page, 1, KEY), keyAt(machine, page)]).toEqual([0, KEY]);
    machine.get(Vmalloc).unmapRam(page);
  });

  it("changes no key if a second block of the linear map cannot be split", () => {
    let left = Infinity;
    const machine = boot(BLOCKS, {
      attach(points) {
        points.on("tablePageCtor", () => (left-- > 0 ? 0 : Errno.ENOMEM));
      },
    });
    const { firstPfn } = machine.memory;
    // Blocks 2 and 3 of the linear map have no pages of the image.
    const frames = [2 * ENTRIES + 9, 3 * ENTRIES + 9].map((offset) => toPfn(firstPfn + offset));
    const page = machine.get(Vmalloc).mapRam(frames)!;
    const service = machine.get(SetMemory);
    left = 1;
    expect(service.setMemoryPkey(page, 2, KEY)).toBe(Errno.ENOMEM);
    expect(pages(page, 2).map((at) => keysAt(machine, at))).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect([machine.get(LinearMap).stats().splits, service.counters.pkeyCalls]).toEqual([1, 0]);
    left = 9;
    expect(service.setMemoryPkey(page, 2, KEY)).toBe(0);
    expect(pages(page, 2).map((at) => keysAt(machine, at))).toEqual([
      [KEY, KEY],
      [KEY, KEY],
    ]);
    expect(machine.get(LinearMap).stats().splits).toBe(2);
  });

  it("the linear mapping of a vm_map_ram area keeps its key when the area is unmapped", () => {
    const machine = boot();
    const vmalloc = machine.get(Vmalloc);
    const frame = machine.get(PageAllocator).alloc(0)!;
    const page = vmalloc.mapRam([frame])!;
    expect(machine.get(SetMemory).setMemoryPkey(page, 1, KEY)).toBe(0);
    vmalloc.unmapRam(page);
    expect([keyAt(machine, linearPage(machine, frame)), store(machine, linearPage(machine, frame))]).toEqual([
      KEY,
      false,
    ]);
    // A new alias of the frame has key 0 until the caller sets it.
    expect(keysAt(machine, vmalloc.mapRam([frame])!)).toEqual([0, KEY]);
    expect(machine.get(SetMemory).setMemoryPkey(page, 1, KEY)).toBe(0);
    expect(keysAt(machine, page)).toEqual([KEY, KEY]);
  });

  it("vfree resets the key of the pages that have one, without a split of other blocks", () => {
    const machine = boot(BLOCKS);
    const vmalloc = machine.get(Vmalloc);
    const page = vmalloc.alloc(3)!;
    const frames = pages(page, 3).map((at) => frameOf(machine, at));
    machine.get(SetMemory).setMemoryPkey(toVpn(page + 1), 1, KEY);
    const { splits } = machine.get(LinearMap).stats();
    vmalloc.free(page);
    expect(frames.map((frame) => keyAt(machine, linearPage(machine, frame)))).toEqual([0, 0, 0]);
    expect([machine.get(LinearMap).stats().splits, machine.get(SetMemory).counters.pkeyPages]).toEqual([splits, 2]);
  });
});
