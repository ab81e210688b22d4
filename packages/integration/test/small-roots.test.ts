import { addressText, createPluginRegistry } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  EntryType,
  Exceptions,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SlabAllocator,
  Tasks,
  toLevel,
  toPfn,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { Mm, PluginOptions, Task, WalkStep } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC, digestTables } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { GEOMETRY_CASES } from "./geometries.js";
import type { GeometryCase } from "./geometries.js";
import { settle, staleOn } from "./machines.js";

const MiB = 2 ** 20;
const PAGE = 0x1000;

function entriesOf({ geometry }: GeometryCase): number {
  return 2 ** geometry.levels[0]!.indexBits;
}

const isSmall = (each: GeometryCase): boolean =>
  each.geometry.splitRoots && entriesOf(each) < 2 ** (each.geometry.pageShift - 3);

/** Shapes whose PGD_SIZE is less than PAGE_SIZE, and the rest. */
const SMALL = GEOMETRY_CASES.filter(isSmall);
const WHOLE = GEOMETRY_CASES.filter((each) => !isSmall(each));

function machine({ plugin }: GeometryCase, spec: Partial<MachineSpec> = {}): Machine {
  const registry = createPluginRegistry([plugin, pgtablesHardening]);
  return buildMachine({ ...DEFAULT_SPEC, arch: plugin.id, memory: [{ bytes: 256 * MiB }], ...spec }, registry);
}

function hardened(geometryCase: GeometryCase, pgtables: PluginOptions = {}): Machine {
  return machine(geometryCase, { features: ["pgtables"], options: { pgtables } });
}

/** A process that has written a page. */
function newProcess(booted: Machine, mm: Mm = booted.get(AddressSpaces).create()): Task {
  const task = booted.get(Tasks).create(mm);
  booted.get(Tasks).switchTo(task);
  booted.get(AddressSpaces).mmap(mm, toVpn(PAGE), 1, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
  booted.get(AddressSpaces).touch(mm, toVpn(PAGE), Access.WRITE, Privilege.USER);
  return task;
}

function exit(booted: Machine, task: Task): void {
  booted.get(Tasks).exit(task);
}

/** The steps of the CPU's walk of the process's page. */
function walkOf(booted: Machine, task: Task): readonly WalkStep[] {
  booted.get(Tasks).switchTo(task);
  const { high, low } = wordsOf(toVpn(PAGE), booted.memory.pageShift);
  const steps: WalkStep[] = [];
  booted.cpus.current.mmu.walk(high, low, (step) => steps.push({ ...step }));
  return steps;
}

function pgdCache(booted: Machine) {
  return booted.get(SlabAllocator).caches.find(({ name }) => name === "pgd_cache");
}

it("the shapes with small roots are those of arch/arm64/Kconfig", () => {
  expect(SMALL.map((each) => [each.name, entriesOf(each) * 8])).toEqual([
    ["arm64 16k/48", 16],
    ["arm64 64k/48", 512],
    ["arm64 64k/52", 8192],
    ["arm64 4k/52", 128],
    ["arm64 16k/52", 256],
  ]);
});

it.each(WHOLE)("$name: a root is a table page, and there is no pgd_cache", (geometryCase) => {
  const booted = machine(geometryCase);
  const { root, rootIndex } = newProcess(booted).mm!;
  expect([rootIndex, booted.get(PageTables).sourceOf(root), pgdCache(booted)]).toEqual([0, "user", undefined]);
});

describe.each(SMALL)("$name", (geometryCase) => {
  const entries = entriesOf(geometryCase);
  const perPage = 2 ** (geometryCase.geometry.pageShift - 3) / entries;

  it("puts roots next to each other, and the CPU walks from an address inside the page", () => {
    const booted = machine(geometryCase);
    const tasks = [0, 1, 2].map(() => newProcess(booted));
    const [first, second, third] = tasks.map(({ mm }) => mm!);
    expect([second!.root, third!.root]).toEqual([first!.root, first!.root]);
    expect([first, second, third].map((mm) => mm!.rootIndex)).toEqual([0, entries, 2 * entries]);
    const frames = tasks.map((task) => {
      const steps = walkOf(booted, task);
      const { root, rootIndex } = task.mm!;
      const { userRoot, userRootIndex } = booted.cpus.current.mmu;
      expect([userRoot, userRootIndex]).toEqual([root, rootIndex]);
      expect(steps[0]).toMatchObject({ level: 0, table: root, index: rootIndex, type: "table" });
      const { high, low, type } = steps.at(-1)!;
      expect(type).toBe("leaf");
      return booted.get(PageTableFormat).pfnOf(high, low);
    });
    expect(new Set(frames).size).toBe(3);
  });

  it("compares translations of another address space with its own root", () => {
    const booted = machine(geometryCase);
    const spaces = booted.get(AddressSpaces);
    const { current } = booted.cpus;
    const pages = [1, 2, 3].map((i) => toVpn(PAGE + i));
    const tasks = pages.map((page) => {
      const task = newProcess(booted);
      spaces.mmap(task.mm!, page, 1, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
      spaces.touch(task.mm!, page, Access.WRITE, Privilege.USER);
      return task;
    });
    expect(staleOn(current)).toEqual([]);
    const last = toLevel(booted.levelNames.length - 1);
    const { table, index } = booted
      .get(PageTables)
      .entryAt(tasks[1]!.mm!.root, last, pages[1]!, tasks[1]!.mm!.rootIndex)!;
    booted.memory.write(table, index, { high: 0, low: 0 });
    expect(staleOn(current)).toEqual([wordsOf(pages[1]!, booted.memory.pageShift)]);
  });

  it("counts no root in VmPTE", () => {
    const booted = machine(geometryCase);
    const { levels } = geometryCase.geometry;
    const counted = levels.slice(1).filter(({ name }) => name !== "p4d").length;
    expect(newProcess(booted).mm!.tablePages).toBe(counted);
  });

  it("keeps a page while a root in it lives, and gives every page back", () => {
    const booted = hardened(geometryCase);
    const tables = booted.get(PageTables);
    settle(booted);
    const before = booted.get(PageAllocator).freePages;
    const [one, other] = [newProcess(booted), newProcess(booted)];
    const { root } = other.mm!;
    exit(booted, one);
    settle(booted);
    expect(tables.sourceOf(root)).toBe("user");
    expect(walkOf(booted, other).at(-1)!.type).toBe("leaf");
    expect(pgdCache(booted)).toMatchObject({ objectsInUse: 1, slabs: 1 });
    exit(booted, other);
    settle(booted);
    expect(tables.sourceOf(root)).toBeUndefined();
    expect(pgdCache(booted)).toMatchObject({ objectsInUse: 0, slabs: 0 });
    expect(booted.get(PageAllocator).freePages).toBe(before);
  });

  it("takes a second page when the first is full", () => {
    const booted = machine(geometryCase);
    const spaces = booted.get(AddressSpaces);
    const count = Math.min(perPage, 300) + 1;
    const mms = Array.from({ length: count }, () => spaces.create());
    expect(new Set(mms.map(({ root }) => root)).size).toBe(Math.ceil(count / perPage));
    expect(pgdCache(booted)).toMatchObject({ objectsInUse: count, slabs: Math.ceil(count / perPage) });
  });

  it("gives a used root out empty", () => {
    const booted = hardened(geometryCase);
    const [one] = [newProcess(booted), newProcess(booted)];
    const { root, rootIndex } = one.mm!;
    exit(booted, one);
    const again = booted.get(AddressSpaces).create();
    expect([again.root, again.rootIndex]).toEqual([root, rootIndex]);
    const words = Array.from({ length: entries }, (_, index) => booted.memory.read(root, rootIndex + index));
    expect(words.filter(({ high, low }) => (high | low) !== 0)).toEqual([]);
  });

  it("scans nothing of a page beyond the roots in use", () => {
    const booted = hardened(geometryCase);
    const { root, rootIndex } = newProcess(booted).mm!;
    const before = booted.scan();
    const digest = booted.digestTables();
    expect(before.filter(({ level }) => level === 0).map((table) => [table.first, table.entries])).toContainEqual([
      rootIndex,
      entries,
    ]);
    const table = booted.get(PageAllocator).alloc(0)!;
    booted.memory.write(root, rootIndex + entries, booted.get(PageTableFormat).makeTable(table, true));
    expect(booted.scan()).toEqual(before);
    expect([booted.digestTables(), digestTables(booted.memory, before)]).toEqual([digest, digest]);
    const watch = booted.watch();
    watch.look();
    expect([watch.open, watch.tables]).toEqual([0, new Set(before.map(({ pfn }) => pfn)).size]);
  });

  const FORMS: readonly PluginOptions[] = [
    {},
    { tagging: "ctor", early: "late-walk" },
    { tagging: "block-allocator" },
    { batching: false },
    { placement: "operation" },
  ];

  it.each(FORMS)("protects every root in a shared page, %o", (pgtables) => {
    const booted = hardened(geometryCase, pgtables);
    const tasks = [newProcess(booted), newProcess(booted), newProcess(booted)];
    exit(booted, tasks[1]!);
    const { root, rootIndex } = tasks[2]!.mm!;
    const stray = (index: number): number =>
      booted.get(Exceptions).copyToKernelNofault(booted.get(LinearMap).address(root, index * 8), new Uint8Array(8));
    expect([rootIndex, rootIndex + entries - 1, rootIndex - entries].map(stray).every((errno) => errno !== 0)).toBe(
      true,
    );
    const scanned = booted.scan();
    expect(coverageOf(booted, scanned).gaps).toEqual([]);
    const { gaps, tried, blocked } = attack(booted, scanned);
    expect([gaps, blocked]).toEqual([[], tried]);
  });

  it("finds every root of a shared page open on a machine without the hardening", () => {
    const booted = machine(geometryCase);
    const mms = [newProcess(booted), newProcess(booted)].map(({ mm }) => mm!);
    const scanned = booted.scan();
    const roots = scanned.filter(({ pfn }) => pfn === mms[0]!.root);
    expect(roots.map(({ first }) => first)).toEqual(mms.map(({ rootIndex }) => rootIndex));
    const gap = coverageOf(booted, scanned).gaps.find(({ source, level }) => source === "user" && level === "pgd");
    expect(gap).toMatchObject({ pages: 1, table: mms[0]!.root });
    const { high, low } = booted.get(LinearMap).address(mms[1]!.root, mms[1]!.rootIndex * 8);
    const through = { source: "user", level: "pgd", stores: Math.min(3, entries), address: addressText(high, low) };
    expect(attack(booted, roots.slice(1)).gaps).toMatchObject([through]);
  });

  it("keeps address spaces apart through any sequence of forks and exits", () => {
    const step = fc.record({ which: fc.nat(99), op: fc.constantFrom("create", "fork", "exit", "write" as const) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
        const booted = hardened(geometryCase);
        const spaces = booted.get(AddressSpaces);
        const alive = [newProcess(booted)];
        for (const { which, op } of steps) {
          const task = alive[which % alive.length]!;
          if (op === "create") alive.push(newProcess(booted));
          if (op === "fork") alive.push(newProcess(booted, spaces.fork(task.mm!)));
          if (op === "write") {
            booted.get(Tasks).switchTo(task);
            spaces.touch(task.mm!, toVpn(PAGE), Access.WRITE, Privilege.USER);
          }
          if (op === "exit" && alive.length > 1) exit(booted, alive.splice(alive.indexOf(task), 1)[0]!);
        }
        const places = alive.map(({ mm }) => mm!.root * 2 ** 20 + mm!.rootIndex);
        expect(new Set(places).size).toBe(alive.length);
        const frames = alive.map((task) => {
          const last = walkOf(booted, task).at(-1)!;
          const format = booted.get(PageTableFormat);
          const isLeaf = format.typeOf(toLevel(last.level), last.high, last.low) === EntryType.LEAF;
          return isLeaf ? format.pfnOf(last.high, last.low) : toPfn(-1);
        });
        expect(frames).not.toContain(-1);
        expect(staleOn(booted.cpus.current)).toEqual([]);
        const scanned = booted.scan();
        expect(scanned.filter(({ level, source }) => level === 0 && source === "user")).toHaveLength(alive.length);
        expect(coverageOf(booted, scanned).gaps).toEqual([]);
        expect(pgdCache(booted)!.objectsInUse).toBe(alive.length);
      }),
      { numRuns: runs(5) },
    );
  });
});
