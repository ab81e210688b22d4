import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, lazily, resolve } from "@kpkeys/core";
import {
  applyChange,
  Access,
  AddressSpaces,
  Errno,
  ExtensionPoints,
  Gfp,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SetMemory,
  Tasks,
  toLevel,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Plugin, PluginOptions, ProtectionName, Task, WalkStep, Words } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES, hardened, machine } from "./machines.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const BLOCK = { kernel: { linearMap: "block" } } as const;

/** A leaf of the linear map and what it maps. */
interface Leaf {
  readonly pfn: number;
  readonly pages: number;
  readonly pkey: number;
  readonly level: number;
  readonly high: number;
  readonly low: number;
}

/** A machine with a block-mapped linear map and no feature. */
function blocks(arch: string, bytes: number, spec: Partial<MachineSpec> = {}): Machine {
  return machine(arch, { memory: [{ bytes }], ...BLOCK, ...spec });
}

/** The leaf that maps a page of RAM: found by the CPU's own walk, which no registry has a part in. */
function leafAt(booted: Machine, pfn: number): Leaf {
  const format = booted.get(PageTableFormat);
  const map = booted.get(LinearMap);
  let last: WalkStep | undefined;
  booted.cpus.current.mmu.walk(
    map.address(toPfn(pfn)).high,
    map.address(toPfn(pfn)).low,
    (step) => (last = { ...step }),
  );
  const { high, low, level, type } = last!;
  if (type !== "leaf") throw new Error(`page ${pfn} is not mapped`);
  const pages = 2 ** (format.geometry.levels[level]!.shift - format.geometry.pageShift);
  return { pfn: format.pfnOf(high, low), pages, pkey: format.entryKeys!.pkeyOf(high, low), level, high, low };
}

/** All leaves of the linear map, ascending. */
function* leavesOf(booted: Machine): Generator<Leaf> {
  for (const { firstPfn, pages } of booted.memory.banks) {
    for (let pfn = firstPfn; pfn < firstPfn + pages;) {
      const leaf = leafAt(booted, pfn);
      expect(leaf.pfn).toBe(pfn);
      yield leaf;
      pfn = toPfn(pfn + leaf.pages);
    }
  }
}

/** The entry that a page would have if its leaf were split down to pages. */
function pageEntry(booted: Machine, pfn: number): { readonly high: number; readonly low: number } {
  const format = booted.get(PageTableFormat);
  const leaf = leafAt(booted, pfn);
  let entry: Words = leaf;
  for (let { level } = leaf; level < format.geometry.levels.length - 1; level++)
    entry = format.splitLeaf(entry, toLevel(level));
  const low = (entry.low >>> 12) + pfn - leaf.pfn;
  return { high: (entry.high + Math.floor(low / 2 ** 20)) | 0, low: (low << 12) | (entry.low & 0xfff) };
}

/** A run of pages that nothing uses, as long as the machine has one. */
function unusedRun(booted: Machine, keepBlocks = 8): { readonly pfn: number; readonly pages: number } {
  const allocator = booted.get(PageAllocator);
  const taken: number[] = [];
  for (let pfn = allocator.alloc(10); pfn !== undefined; pfn = allocator.alloc(10)) taken.push(pfn);
  taken.sort((a, b) => a - b);
  for (const pfn of taken.splice(0, keepBlocks)) allocator.free(toPfn(pfn), 10);
  const first = taken.findIndex((pfn, i) => taken.slice(i).every((other, j) => other === pfn + 1024 * j));
  return { pfn: taken[first]!, pages: 1024 * (taken.length - first) };
}

function setPkey(booted: Machine, pfn: number, pages: number, pkey: number): number {
  const map = booted.get(LinearMap);
  return booted.get(SetMemory).setMemoryPkey(map.pageOf(toPfn(pfn)), pages, toPkey(pkey));
}

describe.each(ARCHES)("the linear map of %s", (arch) => {
  it("consists of 1 GiB and 2 MiB blocks with the policy block, of pages with the policy pte", () => {
    const block = blocks(arch, 4 * GIB);
    const pte = machine(arch, { memory: [{ bytes: 4 * GIB }] });
    // The first GiB holds the image, whose sections have separate protections.
    expect(block.get(LinearMap).stats().leaves).toEqual([
      { bytes: GIB, count: 3 },
      { bytes: 2 * MIB, count: 512 },
      { bytes: 4096, count: 0 },
    ]);
    expect(
      pte
        .get(LinearMap)
        .stats()
        .leaves.map(({ count }) => count),
    ).toEqual([0, 0, 4 * 2 ** 18]);
    expect([block.get(LinearMap).pteMapped, pte.get(LinearMap).pteMapped]).toEqual([false, true]);
  });

  it("needs a table for 1 GiB and one for 2 MiB when it is made of pages, and hardly any when it is made of blocks", () => {
    const pte = machine(arch, { memory: [{ bytes: 4 * GIB }] })
      .get(LinearMap)
      .stats();
    const block = blocks(arch, 4 * GIB)
      .get(LinearMap)
      .stats();
    expect(pte.tables).toBe(1 + 4 + 4 * 512);
    expect(block.tables).toBe(1 + 1);
    expect(pte.tlbReach).toBe(4 * MIB);
    expect(block.tlbReach).toBe(4 * GIB);
  });

  it("reaches as far by 1,024 TLB entries as leaves of mean size do", () => {
    const { tlbReach } = blocks(arch, 16 * GIB, { memory: [{ bytes: 15 * GIB }, { bytes: GIB }] })
      .get(LinearMap)
      .stats();
    expect(tlbReach).toBe(16 * GIB);
    const small = blocks(arch, 128 * MIB);
    const { pfn } = unusedRun(small);
    setPkey(small, pfn, 1, 0);
    const stats = small.get(LinearMap).stats();
    expect(stats.tlbReach).toBe(Math.min(128 * MIB, Math.floor((128 * MIB * 1024) / (63 + 512))));
  });

  it("maps every page as the map made of pages does: same frame, same attributes", () => {
    const memory = [{ bytes: 2 * GIB }, { bytes: 192 * MIB }];
    const block = machine(arch, { memory, ...BLOCK });
    const pte = machine(arch, { memory });
    const { firstPfn } = block.memory;
    fc.assert(
      fc.property(fc.nat((2 * GIB + 192 * MIB) / 4096 - 1), (page) => {
        expect(pageEntry(block, firstPfn + page)).toEqual(pageEntry(pte, firstPfn + page));
      }),
      { numRuns: runs(500) },
    );
    for (let page = 0; page < 8192; page++) {
      expect(pageEntry(block, firstPfn + page)).toEqual(pageEntry(pte, firstPfn + page));
    }
  });

  it("counts what a walk over all of it finds", () => {
    const booted = blocks(arch, GIB + 128 * MIB, { memory: [{ bytes: GIB }, { bytes: 128 * MIB }] });
    const { pfn } = unusedRun(booted);
    setPkey(booted, pfn + 700, 2000, 1);
    const found = [0, 0, 0, 0];
    for (const { level } of leavesOf(booted)) found[level]!++;
    const stats = booted.get(LinearMap).stats();
    expect(found).toEqual([0, ...stats.leaves.map(({ count }) => count)]);
    expect(stats.leaves.reduce((sum, { bytes, count }) => sum + bytes * count, 0)).toBe(GIB + 128 * MIB);
  });
});

describe.each(ARCHES)("splitting blocks on %s", (arch) => {
  it("makes of a block's entry what a smaller leaf with the same protection and key is", () => {
    const booted = blocks(arch, 128 * MIB);
    const format = booted.get(PageTableFormat);
    const names = Object.keys(format.protections) as ProtectionName[];
    const made = (level: number, pfn: number, name: ProtectionName, pkey: number): Words =>
      applyChange(
        format.makeLeaf(toLevel(level), toPfn(pfn), format.protections[name]),
        format.entryKeys!.pkeyChange(toPkey(pkey)),
      );
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2),
        fc.nat(2 ** 18 - 1),
        fc.constantFrom(...names),
        fc.nat(7),
        (level, giant, name, pkey) => {
          const pfn = giant * 2 ** 18;
          const first = format.splitLeaf(made(level, pfn, name, pkey), toLevel(level));
          expect(first).toEqual(made(level + 1, pfn, name, pkey));
        },
      ),
    );
  });

  it("gives a key to exactly the pages asked for, in blocks of any size", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ at: fc.nat(), pages: fc.integer({ min: 1, max: 3000 }), pkey: fc.integer({ min: 0, max: 7 }) }),
          {
            minLength: 1,
            maxLength: 12,
          },
        ),
        (changes) => {
          const booted = blocks(arch, 3 * GIB);
          const run = unusedRun(booted, 64);
          const keys = new Uint8Array(run.pages);
          for (const { at, pages, pkey } of changes) {
            const first = at % (run.pages - pages);
            expect(setPkey(booted, run.pfn + first, pages, pkey)).toBe(0);
            keys.fill(pkey, first, first + pages);
          }
          for (const { pfn, pages, pkey } of leavesOf(booted)) {
            const first = pfn - run.pfn;
            if (first + pages <= 0 || first >= run.pages) expect(pkey).toBe(0);
            else if (first < 0)
              expect([pkey, keys.subarray(0, first + pages).every((key) => key === 0)]).toEqual([0, true]);
            else expect(keys.subarray(first, first + pages).every((key) => key === pkey)).toBe(true);
          }
        },
      ),
      { numRuns: runs(12) },
    );
  });

  it("takes two table pages for one page in a 1 GiB block, one for the next in another 2 MiB, none for its neighbour", () => {
    const booted = blocks(arch, 4 * GIB);
    const map = booted.get(LinearMap);
    const run = unusedRun(booted, 300);
    const giant = Math.ceil(run.pfn / 2 ** 18) * 2 ** 18 + 1000;
    const steps = [giant, giant + 512, giant + 1].map((pfn) => {
      const before = [booted.counters().tablesAllocated, map.stats().splits];
      expect(setPkey(booted, pfn, 1, 1)).toBe(0);
      return [booted.counters().tablesAllocated - before[0]!, map.stats().splits - before[1]!];
    });
    expect(steps).toEqual([
      [2, 2],
      [1, 1],
      [0, 0],
    ]);
    expect(map.stats().leaves.map(({ count }) => count)).toEqual([2, 512 + 512 - 2, 1024]);
  });

  it("changes a whole block by its one entry, without a split", () => {
    const booted = blocks(arch, 128 * MIB);
    const { pfn } = unusedRun(booted);
    const before = booted.counters();
    expect(setPkey(booted, pfn, 1024, 1)).toBe(0);
    const after = booted.counters();
    expect(after.tableWrites - before.tableWrites).toBe(2);
    expect(after.writesBySetter.set_pmd - before.writesBySetter.set_pmd).toBe(2);
    expect(booted.get(LinearMap).stats().splits).toBe(0);
    expect(leafAt(booted, pfn)).toMatchObject({ pages: 512, pkey: 1 });
  });

  it("fills the new table before one write puts it in the block's place, and then drops the block's translations", () => {
    const booted = blocks(arch, 128 * MIB);
    const { pfn } = unusedRun(booted);
    const before = booted.counters();
    expect(setPkey(booted, pfn + 5, 1, 1)).toBe(0);
    const after = booted.counters();
    expect(after.writesBySetter.set_pte - before.writesBySetter.set_pte).toBe(512 + 1);
    expect(after.writesBySetter.set_pmd - before.writesBySetter.set_pmd).toBe(1);
    expect(after.tlbInvalidations - before.tlbInvalidations).toBe(1 + 1);
  });

  it("leaves no stale translation: a page reached through the block obeys its key at once, its neighbours go on", () => {
    const booted = blocks(arch, 128 * MIB);
    const map = booted.get(LinearMap);
    const { pfn } = unusedRun(booted);
    const store = (page: number): number =>
      booted.cpus.current.store64(map.address(toPfn(page)).high, map.address(toPfn(page)).low, 1, 2);
    for (let page = pfn; page < pfn + 512; page++) expect(store(page)).toBe(0);
    expect(setPkey(booted, pfn + 5, 1, 1)).toBe(0);
    for (let page = pfn; page < pfn + 512; page++) expect(store(page)).toBe(page === pfn + 5 ? -1 : 0);
  });

  it("splits a block that was made invalid, and its pages stay invalid but for the one that becomes valid", () => {
    const booted = blocks(arch, 128 * MIB);
    const setMemory = booted.get(SetMemory);
    const map = booted.get(LinearMap);
    const { pfn } = unusedRun(booted);
    expect(setMemory.setDirectMapValid(toPfn(pfn), 512, false)).toBe(0);
    expect(map.stats().splits).toBe(0);
    expect(setMemory.setDirectMapDefault(toPfn(pfn + 3))).toBe(0);
    expect(map.stats().splits).toBe(1);
    const load = (page: number): number =>
      booted.cpus.current.load64(map.address(toPfn(page)).high, map.address(toPfn(page)).low);
    for (let page = pfn; page < pfn + 512; page++) expect(load(page)).toBe(page === pfn + 3 ? 0 : -1);
  });
});

describe.each(ARCHES)("a block of %s that cannot be split", (arch) => {
  /** All counts of the linear map. */
  const picture = (booted: Machine): unknown => [[...leavesOf(booted)], booted.get(LinearMap).stats()];

  it("is refused for want of a table page, and stays as it was", () => {
    const booted = blocks(arch, 4 * GIB);
    const run = unusedRun(booted, 300);
    const pages = booted.get(PageAllocator);
    const taken: number[] = [];
    for (let pfn = pages.alloc(0); pfn !== undefined; pfn = pages.alloc(0)) taken.push(pfn);
    const before = picture(booted);
    const giant = Math.ceil(run.pfn / 2 ** 18) * 2 ** 18 + 1000;
    expect(setPkey(booted, giant, 1, 1)).toBe(Errno.ENOMEM);
    expect(booted.get(SetMemory).setDirectMapInvalid(toPfn(giant))).toBe(Errno.ENOMEM);
    // One page is not enough for a split that takes two: it goes back.
    pages.free(toPfn(taken[0]!), 0);
    expect(setPkey(booted, giant, 1, 1)).toBe(Errno.ENOMEM);
    expect(pages.freePages).toBe(1);
    expect(picture(booted)).toEqual(before);
    pages.free(toPfn(taken[1]!), 0);
    expect(setPkey(booted, giant, 1, 1)).toBe(0);
    expect(pages.freePages).toBe(0);
  });

  it("makes keying table pages one by one impossible: the table of a split would need a split itself", () => {
    const build = (): Machine => hardened(arch, {}, { memory: [{ bytes: 128 * MIB }], ...BLOCK });
    // x86 needs kernel tables before it has booted.
    if (arch === "x86-pks") {
      const refused = { code: "ERR_SPEC", where: "phase mem_init" };
      expect(build).toThrow(expect.objectContaining(refused) as Error);
      return;
    }
    const booted = build();
    const before = picture(booted);
    const { pfn } = unusedRun(booted);
    expect(setPkey(booted, pfn, 1, 1)).toBe(Errno.ENOMEM);
    expect(booted.get(PageTables).allocTable("kernel")).toBeUndefined();
    expect(picture(booted)).toEqual(before);
  });

  it("is no obstacle where the whole block changes", () => {
    const booted = blocks(arch, 128 * MIB);
    const { pfn } = unusedRun(booted);
    const pages = booted.get(PageAllocator);
    while (pages.alloc(0) !== undefined);
    expect(setPkey(booted, pfn, 512, 1)).toBe(0);
    expect(setPkey(booted, pfn, 511, 0)).toBe(Errno.ENOMEM);
    expect(leafAt(booted, pfn)).toMatchObject({ pages: 512, pkey: 1 });
  });
});

/** Lives through a little of everything, the same on every machine. */
function workload(booted: Machine, extraPages = 0): void {
  const spaces = booted.get(AddressSpaces);
  const tasks = booted.get(Tasks);
  const vmalloc = booted.get(Vmalloc);
  const base = 0x7f0000000;
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
  const touch = (task: Task, page: number, access: Access): void =>
    void spaces.touch(task.mm!, toVpn(page), access, Privilege.USER);

  const parent = tasks.create(spaces.create());
  tasks.switchTo(parent);
  spaces.mmap(parent.mm!, toVpn(base), 3000, Prot.READ | Prot.WRITE, flags);
  for (let page = 0; page < 3000; page += 7) touch(parent, base + page, page % 2 === 0 ? Access.WRITE : Access.READ);
  const area = vmalloc.alloc(600)!;
  const child = tasks.create(spaces.fork(parent.mm!));
  tasks.switchTo(child);
  for (let page = 0; page < 1500 + extraPages; page += 5) touch(child, base + page, Access.WRITE);
  spaces.mprotect(child.mm!, toVpn(base + 100), 900, 0);
  spaces.munmap(parent.mm!, toVpn(base + 2000), 700);
  vmalloc.alloc(5);
  vmalloc.free(area);
  vmalloc.alloc(700);
}

describe.each(ARCHES)("the digest of translations on %s", (arch) => {
  const memory = [{ bytes: 2 * GIB }];
  const after = (pgtables: PluginOptions, spec: Partial<MachineSpec>, extraPages = 0): Machine => {
    const booted = hardened(arch, pgtables, { memory, ...spec });
    workload(booted, extraPages);
    return booted;
  };
  const pte = after({}, {});

  it("is one for both policies of table allocation, for both linear maps, naive and batched", () => {
    const others = [
      after({ batching: false }, {}),
      after({ tagging: "block-allocator" }, {}),
      after({ tagging: "block-allocator" }, BLOCK),
      after({ tagging: "block-allocator", batching: false }, BLOCK),
    ];
    for (const other of others) expect(other.digestTranslations()).toBe(pte.digestTranslations());
  });

  it("distinguishes machines that translate one address differently", () => {
    const digests = [pte.digestTranslations(), after({}, {}, 5).digestTranslations()];
    const { pfn } = unusedRun(pte);
    expect(pte.get(SetMemory).setDirectMapInvalid(toPfn(pfn))).toBe(0);
    digests.push(pte.digestTranslations());
    expect(new Set(digests).size).toBe(3);
    expect(pte.get(SetMemory).setDirectMapDefault(toPfn(pfn))).toBe(0);
    // A store, because x86 leaves it to the hardware to set the dirty bit again.
    const map = pte.get(LinearMap);
    expect(pte.cpus.current.store64(map.address(toPfn(pfn)).high, map.address(toPfn(pfn)).low, 0, 0)).toBe(0);
    expect(pte.digestTranslations()).toBe(digests[0]);
  });
});

describe.each(ARCHES)("a hardened %s machine whose linear map consists of blocks", (arch) => {
  const POLICY = { tagging: "block-allocator" } as const;

  it("has every table page keyed or read-only, found through blocks and pages alike, while it lives", () => {
    const booted = hardened(arch, POLICY, { memory: [{ bytes: 2 * GIB }], ...BLOCK });
    workload(booted);
    const coverage = coverageOf(booted, booted.scan());
    expect(coverage.gaps).toEqual([]);
    expect(coverage.keyed + coverage.readOnly).toBe(coverage.pages);
    expect(coverage.bySource.unknown.pages).toBe(0);
    expect(booted.get(LinearMap).pteMapped).toBe(false);
  });

  it("sees a table page whose block lacks the key, that the kernel did not set", () => {
    const booted = hardened(arch, POLICY, { memory: [{ bytes: 2 * GIB }], ...BLOCK });
    const { pfn } = unusedRun(booted);
    expect(leafAt(booted, pfn).pages).toBeGreaterThan(1);
    const { root } = booted.get(PageTables);
    const format = booted.get(PageTableFormat);
    const map = booted.get(LinearMap);
    const entry = format.makeTable(toPfn(pfn), false);
    // A raw store into an entry of the linear map's top-level range that nothing uses.
    const index = format.index(toLevel(0), map.address(booted.memory.firstPfn).high, 0) + 1;
    booted.memory.write(root, index, entry);
    const { gaps } = coverageOf(booted, booted.scan());
    expect(gaps).toMatchObject([{ source: "unknown", level: "pud", mapping: "linear", pages: 1 }]);
  });

  it("boots with few tables and long reach, compared with pages", () => {
    const memory = [{ bytes: 4 * GIB }];
    const block = hardened(arch, POLICY, { memory, ...BLOCK })
      .get(LinearMap)
      .stats();
    const pte = hardened(arch, {}, { memory }).get(LinearMap).stats();
    expect([block.splits > 0, pte.splits]).toEqual([true, 0]);
    expect(block.tables).toBe(2 + block.splits);
    expect(block.tables).toBeLessThan(pte.tables / 100);
    expect(block.tlbReach).toBeGreaterThan(100 * pte.tlbReach);
  });

  it("splits two blocks at most for a page, and two more when the pool is filled for it", () => {
    const booted = hardened(arch, POLICY, { memory: [{ bytes: 3 * GIB }], ...BLOCK });
    const run = unusedRun(booted, 64);
    const map = booted.get(LinearMap);
    fc.assert(
      fc.property(fc.nat(run.pages - 1), (page) => {
        const before = map.stats().splits;
        expect(setPkey(booted, run.pfn + page, 1, 1)).toBe(0);
        expect(map.stats().splits - before).toBeLessThanOrEqual(2 + 2);
      }),
      { numRuns: runs(60) },
    );
    expect(coverageOf(booted, booted.scan()).gaps).toEqual([]);
  });
});

/** A splitter's calls of a table allocator, in order, and the allocator's results. */
interface Script {
  readonly log: string[];
  prepared: 0 | Errno;
  unreadyTimes: number;
}

/** A machine on which a feature allocates table pages, and reports when blocks may be split. */
function scripted(arch: string, script: Script): Machine {
  const feature: Plugin = {
    id: "scripted",
    kind: "feature",
    description: "answers splitters by a script",
    contract: 2,
    config: [],
    setup(container) {
      const pages = lazily(container, PageAllocator);
      resolve(container, ExtensionPoints).setTableAllocator({
        allocEarly: () => undefined,
        alloc(_source, gfp) {
          if ((gfp & Gfp.PGTABLE_SPLIT) !== 0) script.log.push("alloc");
          return pages().alloc(0);
        },
        free: (pfn) => {
          pages().free(pfn, 0);
        },
        prepareSplit() {
          script.log.push("prepare");
          return script.prepared;
        },
        readyForSplit() {
          script.log.push("ready?");
          return script.unreadyTimes-- <= 0;
        },
      });
    },
  };
  const registry = createPluginRegistry([arm64Poe, x86Pks, feature]);
  return buildMachine(
    { ...DEFAULT_SPEC, arch, features: ["scripted"], memory: [{ bytes: 2 * GIB }], ...BLOCK },
    registry,
  );
}

describe.each(ARCHES)("a splitter on %s", (arch) => {
  const run = (
    script: Script,
    pages = 1,
  ): { readonly booted: Machine; readonly errno: number; readonly pfn: number } => {
    const booted = scripted(arch, script);
    const pfn = booted.memory.firstPfn + 2 ** 18 + 1024;
    script.log.length = 0;
    return { booted, pfn, errno: setPkey(booted, pfn, pages, 1) };
  };

  it("prepares without the lock, asks with it, and takes its pages only then", () => {
    const script: Script = { log: [], prepared: 0, unreadyTimes: 0 };
    const { errno, booted } = run(script);
    expect(errno).toBe(0);
    // The page begins a 2 MiB block: its start needs one table in the 1 GiB block, its end another.
    expect(script.log).toEqual(["prepare", "ready?", "alloc", "prepare", "ready?", "alloc"]);
    expect(booted.get(LinearMap).stats().splits).toBe(2);
  });

  it("begins again as long as the pages are gone when it looks", () => {
    const script: Script = { log: [], prepared: 0, unreadyTimes: 3 };
    expect(run(script, 512).errno).toBe(0);
    expect(script.log.join(" ")).toBe(`${"prepare ready? ".repeat(4)}alloc`);
  });

  it("gives up when they never stay, and changes nothing", () => {
    const script: Script = { log: [], prepared: 0, unreadyTimes: Infinity };
    const { booted, errno, pfn } = run(script);
    expect(errno).toBe(Errno.ENOMEM);
    expect(script.log).not.toContain("alloc");
    expect([leafAt(booted, pfn).pages, leafAt(booted, pfn).pkey]).toEqual([2 ** 18, 0]);
  });

  it("is refused by the feature's errno, and changes nothing", () => {
    const script: Script = { log: [], prepared: Errno.EEXIST, unreadyTimes: 0 };
    const { booted, errno, pfn } = run(script);
    expect(errno).toBe(Errno.EEXIST);
    expect(script.log).toEqual(["prepare"]);
    expect([leafAt(booted, pfn).pages, leafAt(booted, pfn).pkey]).toEqual([2 ** 18, 0]);
  });
});
