import {
  Access,
  Errno,
  KpkeysArch,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  Privilege,
  ProtectedObjects,
  SetMemory,
  StaticTablePages,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { TableAllocator } from "@kpkeys/core/contracts";
import { provide, resolve, overriding } from "@kpkeys/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bit } from "../../../../examples/odd-arch/src/format.js";
import { KernelImage } from "../../src/boot/image.js";
import type { Machine } from "../../src/machine/machine.js";
import { LeafChanges } from "../../src/mm/leaf-changes.js";
import { variant } from "../support/arches.js";
import {
  boot,
  ENTRIES,
  entryOf,
  frameOf,
  internalService,
  kernelService,
  PAGE_SHIFT,
  record,
  staleTranslations,
} from "../support/machine.js";
import type { Call } from "../support/machine.js";

const EINVAL = -22;
const ENOMEM = -12;
const EDEADLK = -35;
const LINEAR = Number(0xffffc00000000000n >> 14n);
const IMAGE = Number(0xffffffff82000000n >> 14n);

type Attach = NonNullable<NonNullable<Parameters<typeof boot>[1]>["attach"]>;
type Words = readonly [high: number, low: number];
const addressOf = (page: number): Words => {
  const { high, low } = wordsOf(toVpn(page), PAGE_SHIFT);
  return [high, low];
};

/** Attributes of the leaf of a page. */
interface Rights {
  readonly pfn: number;
  readonly key: number;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly valid: boolean;
}

function rightsOf(machine: Machine, page: number): Rights {
  const format = machine.get(PageTableFormat);
  const { high, low, level } = entryOf(machine, page);
  const size = 2 ** (format.geometry.levels[level]!.shift - PAGE_SHIFT);
  return {
    pfn: format.pfnOf(high, low) + (page % size),
    key: format.entryKeys!.pkeyOf(high, low),
    writable: format.isWritable(high, low),
    executable: (low & Bit.EXEC) !== 0,
    valid: high < 0,
  };
}

/** Whether the CPU allows a kernel access. */
function allows(machine: Machine, page: number, access: Access): boolean {
  return machine.cpus.current.access(...addressOf(page), access, Privilege.KERNEL) === 0;
}

const invalidations = (machine: Machine, act: () => unknown): number => {
  const before = machine.counters().tlbInvalidations;
  act();
  return machine.counters().tlbInvalidations - before;
};

describe("set_memory_ro, rw, nx and x", () => {
  it.each([
    ["setMemoryRo", "setMemoryRw", "writable", false],
    ["setMemoryX", "setMemoryNx", "executable", true],
  ] as const)("%s and %s change one right of the pages of a vmalloc area, and back", (set, reset, right, value) => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const page = machine.get(Vmalloc).alloc(5)!;
    const before = [0, 1, 2, 3, 4].map((i) => rightsOf(machine, page + i));
    expect(service[set](toVpn(page + 1), 3)).toBe(0);
    expect([0, 1, 2, 3, 4].map((i) => rightsOf(machine, page + i))).toEqual(
      before.map((rights, i) => (i >= 1 && i <= 3 ? { ...rights, [right]: value } : rights)),
    );
    expect(service[reset](toVpn(page + 1), 3)).toBe(0);
    expect([0, 1, 2, 3, 4].map((i) => rightsOf(machine, page + i))).toEqual(before);
  });

  it("also change the linear map with rodata=full, with one invalidation for each page there", () => {
    for (const rodata of ["full", "on"] as const) {
      const machine = boot({ boot: { rodata } });
      const service = machine.get(SetMemory);
      const page = machine.get(Vmalloc).alloc(3)!;
      const linear = [0, 1, 2].map((i) => LINEAR + frameOf(machine, page + i) - machine.memory.firstPfn);
      expect(allows(machine, page, Access.WRITE) && allows(machine, linear[0]!, Access.WRITE)).toBe(true);
      const follows = rodata === "full";
      expect(invalidations(machine, () => service.setMemoryRo(page, 2))).toBe(follows ? 3 : 1);
      expect(linear.map((at) => allows(machine, at, Access.WRITE))).toEqual([!follows, !follows, true]);
      expect([0, 1, 2].map((i) => allows(machine, page + i, Access.WRITE))).toEqual([false, false, true]);
      expect(invalidations(machine, () => service.setMemoryX(page, 2))).toBe(1);
      expect(linear.map((at) => rightsOf(machine, at).executable)).toEqual([false, false, false]);
      service.setMemoryRw(page, 2);
      expect(linear.map((at) => allows(machine, at, Access.WRITE))).toEqual([true, true, true]);
      expect(staleTranslations(machine)).toBe(0);
    }
  });

  it("of an area that is freed leave the linear map as it was, with one more invalidation: VM_FLUSH_RESET_PERMS", () => {
    for (const rodata of ["full", "on"] as const) {
      const machine = boot({ boot: { rodata } });
      const service = machine.get(SetMemory);
      const vmalloc = machine.get(Vmalloc);
      const [page, other] = [vmalloc.alloc(4)!, vmalloc.alloc(1)!];
      const linear = [0, 1, 2, 3].map((i) => LINEAR + frameOf(machine, page + i) - machine.memory.firstPfn);
      const otherLinear = LINEAR + frameOf(machine, other) - machine.memory.firstPfn;
      const before = linear.map((at) => rightsOf(machine, at));
      service.setMemoryRo(page, 3);
      service.setMemoryRw(toVpn(page + 2), 1);
      service.setMemoryRo(other, 1);
      linear.forEach((at) => allows(machine, at, Access.READ));
      const isReset = rodata === "full";
      const { writesBySetter } = machine.counters();
      const free = (): void => {
        vmalloc.free(page);
      };
      expect(invalidations(machine, free)).toBe(isReset ? 2 : 1);
      // Two pages become invalid and valid again. The page that set_memory_rw reset is not written.
      expect(machine.counters().writesBySetter.set_pte - writesBySetter.set_pte).toBe(isReset ? 4 : 0);
      expect(linear.map((at) => rightsOf(machine, at))).toEqual(before);
      expect(linear.map((at) => allows(machine, at, Access.WRITE))).toEqual([true, true, true, true]);
      expect([allows(machine, otherLinear, Access.WRITE), staleTranslations(machine)]).toEqual([!isReset, 0]);
    }
  });

  it("accept only pages of one vmalloc area; a length of 0 changes nothing", () => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const page = machine.get(Vmalloc).alloc(3)!;
    machine.get(Vmalloc).alloc(3);
    const linear = machine.get(LinearMap);
    const { firstPfn } = machine.memory;
    expect([
      service.setMemoryRo(page, 4),
      service.setMemoryRo(toVpn(page + 2), 3),
      service.setMemoryRo(toVpn(page + 3), 1),
      service.setMemoryRo(toVpn(page - 1), 2),
      service.setMemoryRo(linear.pageOf(firstPfn), 1),
      service.setMemoryRo(toVpn(page - 1), 0),
    ]).toEqual(Array(6).fill(EINVAL));
    expect(rightsOf(machine, page).writable).toBe(true);
    expect([
      invalidations(machine, () => {
        expect(service.setMemoryRo(page, 0)).toBe(0);
      }),
      rightsOf(machine, page).writable,
    ]).toEqual([0, true]);
    expect([service.setMemoryRo(page, 1), rightsOf(machine, page).writable]).toEqual([0, false]);
  });
});

describe("set_memory_valid", () => {
  it("makes pages invalid with an invalidation and valid again without one, and keeps their addresses", () => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const page = machine.get(Vmalloc).alloc(4)!;
    const before = [0, 1, 2, 3].map((i) => rightsOf(machine, page + i));
    expect(allows(machine, page + 1, Access.READ)).toBe(true);
    expect(
      invalidations(machine, () => {
        expect(service.setMemoryValid(toVpn(page + 1), 2, false)).toBe(0);
      }),
    ).toBe(1);
    expect([0, 1, 2, 3].map((i) => rightsOf(machine, page + i))).toEqual(
      before.map((rights, i) => (i === 1 || i === 2 ? { ...rights, valid: false } : rights)),
    );
    expect([allows(machine, page + 1, Access.READ), staleTranslations(machine)]).toEqual([false, 0]);
    expect(
      invalidations(machine, () => {
        expect(service.setMemoryValid(page, 4, true)).toBe(0);
      }),
    ).toBe(0);
    expect([0, 1, 2, 3].map((i) => rightsOf(machine, page + i))).toEqual(before);
  });

  it("rejects a range with an unmapped page and changes nothing", () => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const page = machine.get(Vmalloc).alloc(4)!;
    const writes = machine.counters().tableWrites;
    expect([service.setMemoryValid(page, 5, false), service.setMemoryValid(toVpn(page + 4), 1, false)]).toEqual([
      EINVAL,
      EINVAL,
    ]);
    expect(service.setMemoryValid(toVpn(page + 4), 0, false)).toBe(0);
    expect([machine.counters().tableWrites, rightsOf(machine, page).valid]).toEqual([writes, true]);
  });
});

describe("set_memory_pkey", () => {
  it("sets the key of linear-map pages, counts them, checks key and pages, and removes an address tag", () => {
    const machine = boot({ memory: [{ bytes: 96 * 2 ** 20 }, { start: 2 ** 30 + 2 ** 27, bytes: 2 ** 22 }] });
    const service = machine.get(SetMemory);
    const { banks } = machine.memory;
    const end = banks[0]!.firstPfn + banks[0]!.pages;
    const page = (pfn: number): number => LINEAR + pfn - machine.memory.firstPfn;
    const set = (pfn: number, pages: number, key: number, tag = 0xff): number => {
      const [high, low] = addressOf(page(pfn));
      return service.setMemoryPkey(
        pageOf({ high: (high & 0xffffff) | (tag << 24), low }, PAGE_SHIFT),
        pages,
        toPkey(key),
      );
    };
    expect(
      invalidations(machine, () => {
        expect(set(end - 4, 3, 2)).toBe(0);
      }),
    ).toBe(1);
    expect([-5, -4, -3, -2, -1].map((i) => rightsOf(machine, page(end + i)).key)).toEqual([0, 2, 2, 2, 0]);
    expect([service.counters.pkeyCalls, service.counters.pkeyPages, machine.counters().setMemoryPkeyPages]).toEqual([
      1, 3, 3,
    ]);
    expect([set(end - 1, 1, 1, 0x3a), rightsOf(machine, page(end - 1)).key]).toEqual([0, 1]);
    expect([
      set(end - 1, 1, 32),
      set(end - 1, 1, -1),
      set(end - 1, 1, 0.5),
      set(end - 1, 0, 1),
      set(end - 1, 2, 1),
      set(end, 1, 1),
      set(machine.memory.firstPfn - 1, 1, 1),
    ]).toEqual(Array(7).fill(EINVAL));
    expect([set(end - 1, 1, 0), service.counters.pkeyCalls, service.counters.pkeyPages]).toEqual([0, 3, 5]);
    expect(set(banks[1]!.firstPfn, banks[1]!.pages, 1)).toBe(0);
  });

  it("of the image changes the image's mapping", () => {
    const machine = boot();
    const service = machine.get(SetMemory);
    const image = kernelService(machine, StaticTablePages, KernelImage);
    const key = (pfn: number): number[] => [
      rightsOf(machine, IMAGE + pfn - image.pfn).key,
      rightsOf(machine, LINEAR + pfn - machine.memory.firstPfn).key,
    ];
    const last = image.pfn + image.pages - 1;
    expect([service.setImagePkey(toPfn(last), 1, toPkey(2)), service.setImagePkey(image.pfn, 2, toPkey(1))]).toEqual([
      0, 0,
    ]);
    expect([key(last), key(image.pfn), key(image.pfn + 1), key(image.pfn + 2)]).toEqual([
      [2, 0],
      [1, 0],
      [1, 0],
      [0, 0],
    ]);
    expect([
      service.setImagePkey(toPfn(last), 2, toPkey(1)),
      service.setImagePkey(toPfn(image.pfn - 1), 1, toPkey(1)),
      service.setImagePkey(toPfn(image.pfn - 1), 2, toPkey(1)),
      service.setImagePkey(toPfn(last + 1), 1, toPkey(1)),
      service.setImagePkey(toPfn(last), 0, toPkey(1)),
      service.setImagePkey(toPfn(last), 1, toPkey(32)),
    ]).toEqual(Array(6).fill(EINVAL));
    expect(service.counters.pkeyPages).toBe(3);
  });

  it("returns 0 and changes nothing on a CPU without kernel pkeys", () => {
    const machine = boot({ boot: { rodata: "full", kpkeys: "off" } });
    const service = machine.get(SetMemory);
    const image = kernelService(machine, StaticTablePages, KernelImage);
    const before = machine.digestTables();
    expect([service.setMemoryPkey(toVpn(0), 1, toPkey(1)), service.setImagePkey(image.pfn, 1, toPkey(1))]).toEqual([
      0, 0,
    ]);
    expect([machine.digestTables(), service.counters.pkeyCalls]).toEqual([before, 0]);
  });
});

describe("set_direct_map", () => {
  const start = (machine: Machine): { service: SetMemory; pfn: number; page: number } => {
    const pfn = machine.get(PageAllocator).alloc(2)!;
    return { service: machine.get(SetMemory), pfn, page: LINEAR + pfn - machine.memory.firstPfn };
  };

  it("invalid and default change one page without an invalidation, valid changes several pages with one", () => {
    const machine = boot();
    const { service, pfn, page } = start(machine);
    const before = rightsOf(machine, page);
    expect(allows(machine, page, Access.READ)).toBe(true);
    expect(
      invalidations(machine, () => {
        expect(service.setDirectMapInvalid(toPfn(pfn))).toBe(0);
      }),
    ).toBe(0);
    expect([rightsOf(machine, page), rightsOf(machine, page + 1).valid]).toEqual([{ ...before, valid: false }, true]);
    expect(staleTranslations(machine)).toBe(1);
    machine.cpus.current.mmu.invalidateAll();
    internalService(machine, LeafChanges).change(toVpn(page), 1, machine.get(PageTableFormat).attributes.ro);
    expect(service.setDirectMapDefault(toPfn(pfn))).toBe(0);
    expect([rightsOf(machine, page), service.counters.directMapCalls]).toEqual([before, 2]);
    expect(
      invalidations(machine, () => {
        expect(service.setDirectMapValid(toPfn(pfn), 4, false)).toBe(0);
      }),
    ).toBe(1);
    expect([0, 1, 2, 3].map((i) => rightsOf(machine, page + i).valid)).toEqual([false, false, false, false]);
    expect(
      invalidations(machine, () => {
        expect(service.setDirectMapValid(toPfn(pfn), 4, true)).toBe(0);
      }),
    ).toBe(0);
    expect([rightsOf(machine, page + 3).valid, machine.counters().directMapCalls]).toEqual([true, 4]);
  });

  it("accepts only RAM; a length of 0 changes nothing", () => {
    const machine = boot();
    const { service } = start(machine);
    const { endPfn, firstPfn } = machine.memory;
    expect([
      service.setDirectMapInvalid(toPfn(endPfn)),
      service.setDirectMapDefault(toPfn(firstPfn - 1)),
      service.setDirectMapValid(toPfn(endPfn - 1), 2, false),
      service.setDirectMapValid(toPfn(endPfn - 1), 0, false),
    ]).toEqual([EINVAL, EINVAL, EINVAL, 0]);
    expect(service.counters.directMapCalls).toBe(0);
  });

  it("changes nothing without rodata=full and without a feature that protects tables", () => {
    const machine = boot({ boot: { rodata: "on" } });
    const { service, pfn, page } = start(machine);
    expect([service.canSetDirectMap(), service.setDirectMapInvalid(toPfn(pfn)), rightsOf(machine, page).valid]).toEqual(
      [false, 0, true],
    );
    expect([
      service.setDirectMapValid(toPfn(machine.memory.endPfn), 1, false),
      service.counters.directMapCalls,
    ]).toEqual([0, 0]);
    expect(boot().get(SetMemory).canSetDirectMap()).toBe(true);
  });

  it("calls supportsKpkeysEarly if a feature protects tables", () => {
    for (const early of [true, false]) {
      const arch = variant((container) => {
        const original = resolve(container, KpkeysArch);
        provide(container, KpkeysArch, overriding(original, { supportsKpkeysEarly: () => early }));
      });
      const attach: Attach = (_, container) => {
        resolve(container, ProtectedObjects).declare({ feature: "test", tablePkey: toPkey(2) });
      };
      const machine = boot({ boot: { rodata: "on" } }, { arch, attach });
      expect(machine.get(SetMemory).canSetDirectMap()).toBe(early);
    }
  });
});

describe("a linear map of blocks", () => {
  const blocks = (extras: Parameters<typeof boot>[1] = {}): Machine =>
    boot({ kernel: { linearMap: "block" }, memory: [{ bytes: 128 * 2 ** 20 }] }, extras);
  const stats = (machine: Machine): unknown => {
    const { leaves, tables, splits } = machine.get(LinearMap).stats();
    return [...leaves.map(({ count }) => count), tables, splits];
  };
  /** The first page of the first block. */
  const first = (machine: Machine): number => LINEAR + (machine.memory.firstPfn - machine.memory.firstPfn);
  const { ro } = boot().get(PageTableFormat).attributes;
  const change = (machine: Machine, page: number, pages: number): number =>
    internalService(machine, LeafChanges).change(toVpn(page), pages, ro);

  it("is split at the ends of a change inside a block; translations stay the same", () => {
    const machine = blocks();
    const before = machine.get(LinearMap).stats();
    const blockCount = before.leaves[0]!.count;
    const pageCount = before.leaves[1]!.count;
    expect(blockCount).toBeGreaterThanOrEqual(3);
    expect([machine.get(LinearMap).pteMapped, before.splits]).toEqual([false, 0]);
    const page = first(machine) + 2 * ENTRIES;
    const frames = [0, 5, ENTRIES, 2 * ENTRIES - 1].map((i) => frameOf(machine, page + i));
    const { tablesAllocated } = machine.counters();
    // Whole blocks need no split.
    expect([change(machine, page, ENTRIES), stats(machine)]).toEqual([0, [blockCount, pageCount, before.tables, 0]]);
    const { firstPfn } = machine.memory;
    expect(
      invalidations(machine, () => {
        expect(change(machine, page + 5, ENTRIES)).toBe(0);
      }),
    ).toBe(2);
    expect(stats(machine)).toEqual([blockCount - 2, pageCount + 2 * ENTRIES, before.tables + 2, 2]);
    expect(machine.counters().tablesAllocated - tablesAllocated).toBe(2);
    expect([0, 5, ENTRIES, 2 * ENTRIES - 1].map((i) => frameOf(machine, page + i))).toEqual(frames);
    expect(frames[1]! - firstPfn).toBe(page + 5 - LINEAR);
    expect([ENTRIES + 4, ENTRIES + 5].map((i) => rightsOf(machine, page + i).writable)).toEqual([false, true]);
    expect([change(machine, page + 5, 3), stats(machine)]).toEqual([
      0,
      [blockCount - 2, pageCount + 2 * ENTRIES, before.tables + 2, 2],
    ]);
    expect(staleTranslations(machine)).toBe(0);
  });

  it("keeps all translations for every change", () => {
    const ranges = fc.array(
      fc.tuple(fc.nat(4 * ENTRIES - 1), fc.constantFrom(1, 2, 7, ENTRIES, ENTRIES + 1, 2 * ENTRIES), fc.boolean()),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(ranges, (all) => {
        const machine = blocks();
        const { x, nx } = machine.get(PageTableFormat).attributes;
        const executable = new Set<number>();
        const start = first(machine);
        const looked = Array.from({ length: 4 * ENTRIES }, (_, i) => i).filter((i) => i % 97 === 0 || i % ENTRIES < 3);
        for (const i of looked) if (rightsOf(machine, start + i).executable) executable.add(i);
        for (const [at, length, opens] of all) {
          const pages = Math.min(length, 4 * ENTRIES - at);
          const status = internalService(machine, LeafChanges).change(toVpn(start + at), pages, opens ? x : nx);
          expect(status).toBe(0);
          for (let i = at; i < at + pages; i++) {
            if (opens) executable.add(i);
            else executable.delete(i);
          }
          for (const i of [...looked, at, at + pages - 1]) {
            expect(rightsOf(machine, start + i)).toMatchObject({ pfn: machine.memory.firstPfn + i, valid: true });
            if (looked.includes(i)) expect(rightsOf(machine, start + i).executable).toBe(executable.has(i));
          }
        }
        machine.cpus.current.mmu.invalidateAll();
        const { leaves, tables } = machine.get(LinearMap).stats();
        expect(leaves[0]!.count * ENTRIES + leaves[1]!.count).toBe(4 * ENTRIES);
        expect(tables).toBe(1 + 4 - leaves[0]!.count);
      }),
      { numRuns: 15 },
    );
  });

  it("fills the new table in one lazy MMU section before it replaces the block", () => {
    const calls: Call[] = [];
    const machine = blocks({
      attach: record(["lazyMmuEnter", "lazyMmuLeave", "tablePageCtor"], calls),
    });
    calls.length = 0;
    const { writesBySetter: before } = machine.counters();
    change(machine, first(machine) + 2 * ENTRIES + 1, 1);
    const { writesBySetter: after } = machine.counters();
    expect(calls.map(([point]) => point)).toEqual([
      "tablePageCtor",
      "lazyMmuEnter",
      "lazyMmuLeave",
      "lazyMmuEnter",
      "lazyMmuLeave",
    ]);
    expect(calls[0]!.slice(2)).toEqual(["pte", "kernel"]);
    expect([after.set_pte - before.set_pte, after.set_pmd - before.set_pmd]).toEqual([ENTRIES + 1, 1]);
  });

  it("is not split before all CPUs are up or without a free table page", () => {
    const early: number[] = [];
    const late: unknown[] = [];
    let booted = false;
    const attach: Attach = (points, container) => {
      points.on("initPhase", (phase) => {
        if (phase === "smp" || phase === "system_features") {
          early.push(resolve(container, SetMemory).setMemoryValid(toVpn(LINEAR + 2 * ENTRIES + 1), 1, true));
        }
      });
      points.on("tablePageCtor", () => (booted ? Errno.ENOMEM : 0));
    };
    const machine = blocks({ attach });
    booted = true;
    expect(early).toEqual([EINVAL, 0]);
    const before = [stats(machine), machine.digestTables(), machine.get(PageAllocator).freePages];
    late.push(change(machine, LINEAR + 3 * ENTRIES + 1, 1));
    expect(late).toEqual([ENOMEM]);
    expect([stats(machine), machine.digestTables(), machine.get(PageAllocator).freePages]).toEqual(before);
  });

  it("prepares a split without the lock, checks with it, and fails after 16 attempts", () => {
    let prepared = 0;
    let ready = 3;
    let answer: 0 | Errno = 0;
    let nested = 0;
    let again = (): number => 0;
    const attach: Attach = (points, container) => {
      const pages = (): PageAllocator => container.resolve(PageAllocator);
      const allocator: TableAllocator = {
        alloc(_source, gfp) {
          if ((gfp & 8) !== 0) nested = again();
          return pages().alloc(0);
        },
        free: (pfn) => {
          pages().free(pfn, 0);
        },
        allocEarly: () => undefined,
        prepareSplit: () => (prepared++, answer),
        readyForSplit: () => --ready <= 0,
      };
      points.setTableAllocator(allocator);
    };
    const machine = blocks({ attach });
    again = () => change(machine, LINEAR + 3 * ENTRIES + 1, 1);
    prepared = 0;
    expect([change(machine, LINEAR + 2 * ENTRIES + 1, 1), prepared, nested]).toEqual([0, 3, EDEADLK]);
    ready = 99;
    prepared = 0;
    expect([change(machine, LINEAR + 3 * ENTRIES + 1, 1), prepared]).toEqual([ENOMEM, 16]);
    answer = Errno.EEXIST;
    prepared = 0;
    expect([change(machine, LINEAR + 3 * ENTRIES + 1, 1), prepared]).toEqual([Errno.EEXIST, 1]);
  });

  it("is the only mapping that is split: a change must include whole blocks of other mappings", () => {
    const machine = blocks();
    const vmemmap = Number(0xfffff00000000000n >> 14n);
    expect([
      change(machine, vmemmap, 1),
      change(machine, vmemmap + 1, ENTRIES),
      change(machine, vmemmap, ENTRIES - 1),
    ]).toEqual([EINVAL, EINVAL, EINVAL]);
    const before = stats(machine);
    expect([change(machine, vmemmap, ENTRIES), rightsOf(machine, vmemmap + 9).writable, stats(machine)]).toEqual([
      0,
      false,
      before,
    ]);
    expect(change(machine, vmemmap, 2 * ENTRIES)).toBe(EINVAL);
  });

  it("rejects a range with a partial block of another mapping and changes nothing", () => {
    const machine = boot({ kernel: { linearMap: "block" }, memory: [{ bytes: 9 * 2 ** 30 }] });
    const vmemmap = Number(0xfffff00000000000n >> 14n);
    expect([change(machine, vmemmap, ENTRIES + 1), rightsOf(machine, vmemmap).writable]).toEqual([EINVAL, true]);
    expect([change(machine, vmemmap, 2 * ENTRIES), rightsOf(machine, vmemmap).writable]).toEqual([0, false]);
  });

  it("may start at physical address 0", () => {
    const memory = [{ start: 0, bytes: 128 * 2 ** 20 }];
    const machine = boot({ kernel: { linearMap: "block" }, memory });
    expect([change(machine, LINEAR, 1), rightsOf(machine, LINEAR).writable]).toEqual([0, false]);
    expect([change(machine, LINEAR, 3), rightsOf(machine, LINEAR + 3).writable]).toEqual([0, true]);
  });

  it("without blocks is not checked for splits", () => {
    const machine = blocks();
    expect(change(machine, LINEAR + 4 * ENTRIES, 1)).toBe(EINVAL);
  });
});
