import {
  AddressSpaces,
  LinearMap,
  MapFlag,
  PageTableFormat,
  Prot,
  Tasks,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { PluginOptions } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { PgtablesWarnings } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** Open pages, as `source level mapping`. */
function gapsOf(machine: Machine): string[] {
  return coverageOf(machine, machine.scan()).gaps.map(({ source, level, mapping }) => `${source} ${level} ${mapping}`);
}

/** A machine that has made kernel tables after boot: of the vmalloc area. */
function afterVmalloc(arch: string, pgtables: PluginOptions): Machine {
  const machine = hardened(arch, pgtables);
  expect(machine.get(Vmalloc).alloc(3)).toBeGreaterThan(0);
  return machine;
}

/** Two banks, of which the upper one cannot hold all tables of the linear map: they come in two runs. */
const TWO_BANKS: Partial<MachineSpec> = {
  memory: [
    { start: 0x8000_0000, bytes: 2 ** 31 },
    { start: 0x2_0000_0000, bytes: 2 ** 22 },
  ],
};

/** v3's way: constructors that the kernel does not call for its own PTE tables, early tables found by a walk. */
const V3 = { tagging: "ctor-missing-kernel", early: "late-walk" } as const;

describe.each(ARCHES)("a gap on %s is there by the policy that makes it, and by no other:", (arch) => {
  it("kernel PTE tables made after boot, where their constructor is not called", () => {
    expect(gapsOf(hardened(arch, V3))).toEqual([]);
    expect(gapsOf(afterVmalloc(arch, V3))).toEqual(["kernel pte linear"]);
    expect(gapsOf(afterVmalloc(arch, { ...V3, tagging: "ctor" }))).toEqual([]);
    expect(gapsOf(afterVmalloc(arch, { ...V3, tagging: "allocator" }))).toEqual([]);
    expect(gapsOf(afterVmalloc(arch, { ...V3, early: "recorded" }))).toEqual(["kernel pte linear"]);
  });

  it("vmemmap tables, where they are not remembered; a walk finds them", () => {
    const missed = gapsOf(hardened(arch, { vmemmap: false }));
    expect(missed.length).toBeGreaterThan(0);
    for (const gap of missed) expect(gap).toMatch(/^vmemmap .* linear$/);
    expect(gapsOf(hardened(arch, { vmemmap: true }))).toEqual([]);
    expect(gapsOf(hardened(arch, { vmemmap: false, early: "late-walk" }))).toEqual([]);
  });

  it("static tables through the image, where the linear map alone is keyed", () => {
    for (const early of ["recorded", "late-walk"] as const) {
      const open = gapsOf(hardened(arch, { early, staticAliases: "linear" }));
      expect(open.length).toBeGreaterThan(0);
      for (const gap of open) expect(gap).toMatch(/^static .* other$/);
      expect(gapsOf(hardened(arch, { early, staticAliases: "both" }))).toEqual([]);
    }
  });

  it("early tables beyond the recorded ranges, with one warning", () => {
    const overflown = hardened(arch, { earlyRanges: 1 }, TWO_BANKS);
    expect(new Set(gapsOf(overflown).map((gap) => gap.replace(/ p\w+ /, " ")))).toEqual(
      new Set(["early linear", "vmemmap linear"]),
    );
    expect(overflown.get(PgtablesWarnings)).toEqual([expect.stringContaining("all ranges are in use")]);
    for (const enough of [{ earlyRanges: 2 }, {}, { earlyRanges: 1, early: "late-walk" }]) {
      const machine = hardened(arch, enough, TWO_BANKS);
      expect(gapsOf(machine)).toEqual([]);
      expect(machine.get(PgtablesWarnings)).toEqual([]);
    }
  });
});

describe.each(ARCHES)("the walk on %s", (arch) => {
  it("protects what remembering protects, table by table", () => {
    const [walked, recorded] = (["late-walk", "recorded"] as const).map((early) => hardened(arch, { early }).scan());
    expect(walked).toEqual(recorded);
  });

  it("changes nothing on a CPU without kernel pkeys", () => {
    const plain = hardened(arch, { early: "late-walk" }, { options: { [arch]: { pkeys: false } } });
    expect(plain.counters()).toMatchObject({ setMemoryPkeyCalls: 0, barriers: 0 });
  });
});

/** Pages whose leaf in the linear map names a key. */
function keyedPages(machine: Machine): number[] {
  const format = machine.get(PageTableFormat);
  const linearMap = machine.get(LinearMap);
  const pages: number[] = [];
  for (let pfn = machine.memory.firstPfn; pfn < machine.memory.endPfn; pfn++) {
    let key = 0;
    machine.cpus.current.mmu.walk(linearMap.address(pfn).high, linearMap.address(pfn).low, ({ type, high, low }) => {
      if (type === "leaf") key = format.entryKeys!.pkeyOf(high, low);
    });
    if (key !== 0) pages.push(pfn);
  }
  return pages;
}

describe.each(ARCHES)("table pages that are freed on %s", (arch) => {
  it.each(["allocator", "ctor", "ctor-missing-kernel"] as const)("keep no key, with tagging %s", (tagging) => {
    const machine = hardened(arch, { tagging });
    const before = keyedPages(machine);
    const spaces = machine.get(AddressSpaces);
    const task = machine.get(Tasks).create(spaces.create());
    const mm = task.mm!;
    spaces.mmap(mm, toVpn(0x1000), 700, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE);
    const grown = keyedPages(machine);
    expect(grown.length - before.length).toBe(mm.tablePages + 1);
    machine.get(Tasks).exit(task);
    expect(keyedPages(machine)).toEqual(before);
  });
});
