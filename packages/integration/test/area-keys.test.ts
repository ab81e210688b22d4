import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, resolve } from "@kpkeys/core";
import {
  Access,
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  PageTableFormat,
  PgtableArch,
  Privilege,
  ProtectedObjects,
  SetMemory,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { Pfn, Pkey, Plugin, Vpn } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { staleOn } from "./machines.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The pages of the test's feature. */
    AREAS: true;
  }
  interface KpkeysContexts {
    /** These pages are writable. */
    AREAS: true;
  }
}

/** The frames that the test's feature protects. */
const protectedFrames = new Set<Pfn>();

const areas: Plugin = {
  id: "areas",
  kind: "feature",
  description: "protects the pages that the test names",
  contract: 2,
  setup(container) {
    const kpkeys = resolve(container, Kpkeys);
    const pkey = kpkeys.registerPkey("AREAS", { default: "rx" });
    kpkeys.defineContext("AREAS", { AREAS: "rwx" });
    resolve(container, ProtectedObjects).declare({
      feature: "areas",
      objects: () => [...protectedFrames].map((pfn) => ({ pfn, offset: 0, size: 8, pkey, source: "area" })),
    });
  },
};

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, areas]);

/** A machine with hardened page tables and the test's feature. */
function boot(arch: string, linearMap: "pte" | "block", pageSize?: number): Machine {
  protectedFrames.clear();
  const tagging = linearMap === "block" ? "block-allocator" : "allocator";
  const options: MachineSpec["options"] = {
    pgtables: { tagging },
    ...(pageSize === undefined ? {} : { [arch]: { pageSize } }),
  };
  const memory = [{ bytes: (pageSize === undefined ? 128 : 2048) * 2 ** 20 }];
  const spec = {
    ...DEFAULT_SPEC,
    arch,
    features: ["pgtables", "areas"],
    cpus: 2,
    memory,
    options,
    kernel: { linearMap },
  };
  return buildMachine(spec, registry);
}

function keyOf(machine: Machine): Pkey {
  return toPkey([...machine.get(Kpkeys).pkeyNames].find(([, name]) => name === "AREAS")![0]);
}

const all = (first: number, pages: number): Vpn[] => Array.from({ length: pages }, (_, i) => toVpn(first + i));
const framesOf = (machine: Machine, page: Vpn, pages: number): Pfn[] =>
  all(page, pages).map((at) => machine.get(Vmalloc).pfnOf(at)!);

/** Stores to a page as a stray store of the kernel does. */
function stray(machine: Machine, page: number): number {
  const { pageShift } = machine.get(PageTableFormat).geometry;
  return machine.get(Exceptions).copyToKernelNofault(wordsOf(toVpn(page), pageShift), new Uint8Array(8));
}

/** Protects frames: what the scanner, the coverage and the attack sweep see. */
function judge(machine: Machine, frames: readonly Pfn[]): unknown {
  protectedFrames.clear();
  for (const frame of frames) protectedFrames.add(frame);
  const aliases = machine.scanObjects().map(({ aliases }) => aliases.map(({ pkey }) => pkey));
  const { gaps } = coverageOf(machine, []);
  return { aliases, gaps, ...attack(machine, []).bySource["area"] };
}

const CASES = [
  ["arm64-poe", "pte", undefined],
  ["arm64-poe", "block", undefined],
  ["arm64-poe", "pte", 65536],
  ["arm64-poe", "block", 65536],
  ["x86-pks", "pte", undefined],
  ["x86-pks", "block", undefined],
] as const;

describe.each(CASES)("keys of areas on %s, linear map of %s, page size %s", (arch, linearMap, pageSize) => {
  it("vmalloc and modules with a key have no open alias, and vfree opens the frames again", () => {
    const machine = boot(arch, linearMap, pageSize);
    const pkey = keyOf(machine);
    const vmalloc = machine.get(Vmalloc);
    const linear = machine.get(LinearMap);
    for (const range of ["vmalloc", "modules"] as const) {
      const page = vmalloc.alloc(5, { pkey, range })!;
      const frames = framesOf(machine, page, 5);
      expect(judge(machine, frames)).toMatchObject({
        aliases: Array(5).fill([pkey, pkey]),
        gaps: [],
        tried: 10,
        blocked: 10,
      });
      expect(all(page, 5).map((at) => stray(machine, at))).toEqual(Array(5).fill(Errno.EFAULT));
      expect(frames.map((pfn) => stray(machine, linear.pageOf(pfn)))).toEqual(Array(5).fill(Errno.EFAULT));
      protectedFrames.clear();
      vmalloc.free(page);
      expect(frames.map((pfn) => stray(machine, linear.pageOf(pfn)))).toEqual(Array(5).fill(0));
    }
    expect(machine.cpus.all.flatMap((cpu) => staleOn(cpu))).toEqual([]);
  });

  it("set_memory_pkey of a vmap area closes both aliases; a new alias of the frames is a gap", () => {
    const machine = boot(arch, linearMap, pageSize);
    const pkey = keyOf(machine);
    const vmalloc = machine.get(Vmalloc);
    // Far from both ends of RAM, where boot allocates. The block of the linear map is whole.
    const { firstPfn, endPfn } = machine.memory;
    const frames = [2, 0, 3, 1].map((i) => toPfn(firstPfn + (endPfn - firstPfn) * 0.625 + 8 + i));
    const { splits } = machine.get(LinearMap).stats();
    const page = vmalloc.mapRam(frames)!;
    expect(judge(machine, frames)).toMatchObject({ aliases: Array(4).fill([0, 0]), tried: 8, blocked: 0 });
    expect(machine.get(SetMemory).setMemoryPkey(page, 4, pkey)).toBe(0);
    expect(machine.get(LinearMap).stats().splits - splits).toBe(linearMap === "block" ? 1 : 0);
    expect(judge(machine, frames)).toMatchObject({ gaps: [], tried: 8, blocked: 8 });
    const second = vmalloc.mapRam([frames[1]!])!;
    expect(judge(machine, frames)).toMatchObject({ tried: 9, blocked: 8 });
    expect(coverageOf(machine, []).gaps).not.toEqual([]);
    expect(machine.get(SetMemory).setMemoryPkey(second, 1, pkey)).toBe(0);
    expect(judge(machine, frames)).toMatchObject({ gaps: [], tried: 9, blocked: 9 });
    expect(machine.cpus.all.flatMap((cpu) => staleOn(cpu))).toEqual([]);
  });
});

describe.each(["arm64-poe", "x86-pks"] as const)("the module area on %s", (arch) => {
  it("holds read-only code with a key, which can be executed", () => {
    const machine = boot(arch, "pte");
    const page = machine
      .get(Vmalloc)
      .alloc(2, { range: "modules", protection: "PAGE_KERNEL_ROX", pkey: keyOf(machine) })!;
    const { layout } = machine.get(PgtableArch);
    const address = BigInt(page) << 12n;
    expect(address).toBe(layout.modulesStart);
    const { high, low } = wordsOf(page, 12);
    const { current } = machine.cpus;
    expect(current.access(high, low, Access.FETCH, Privilege.KERNEL)).toBe(0);
    expect(stray(machine, page)).toBe(Errno.EFAULT);
    expect(current.access(high, low, Access.READ, Privilege.KERNEL)).toBe(0);
  });

  it("is not the area of static tables: its tables are found and keyed", () => {
    const machine = boot(arch, "pte");
    const before = machine.counters().tablesAllocated;
    machine.get(Vmalloc).alloc(1, { range: "modules" });
    expect(machine.counters().tablesAllocated).toBeGreaterThan(before);
    expect(coverageOf(machine, machine.scan()).gaps).toEqual([]);
  });
});
