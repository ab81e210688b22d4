import {
  AddressSpaces,
  PageAllocator,
  PageTableFormat,
  PageTables,
  toLevel,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { PluginOptions } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { MICROMM, runMicro, TEST_VMALLOC } from "@kpkeys/workloads";
import type { MicroBenchmark, MicroResult } from "@kpkeys/workloads";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

/** Enough for 1 GiB of pages and their tables. */
const MEMORY = [{ bytes: 1280 * 1024 * 1024 }];

/** Entries of a table. */
const ENTRIES = 512;

/** Pages of the mapping, and the tables that map it: of pages, and one above. */
const PAGES = 2 ** 18;
const LEAF_TABLES = PAGES / ENTRIES;

function built(arch: string, pgtables: PluginOptions | null): Machine {
  return pgtables === null ? machine(arch, { memory: MEMORY }) : hardened(arch, pgtables, { memory: MEMORY });
}

function named(name: string): MicroBenchmark {
  return [...MICROMM, ...TEST_VMALLOC].find((benchmark) => benchmark.name === name)!;
}

/** A count of one operation. */
function each(result: MicroResult, count: "registerWrites" | "barriers" | "tableWrites" | "setterBarriers"): number {
  return result.counters[count] / result.operations;
}

describe.each(ARCHES)("the micro-benchmarks on %s", (arch) => {
  const isb = arch === "arm64-poe" ? 1 : 0;

  describe("with a switch in every setter", () => {
    const target = built(arch, { batching: false });

    it.each(TEST_VMALLOC)("$name: two register writes and two ISBs for each entry written", (benchmark) => {
      const result = runMicro(target, benchmark);
      expect(each(result, "registerWrites")).toBe(2 * each(result, "tableWrites"));
      expect(each(result, "barriers")).toBe(2 * each(result, "tableWrites") * isb);
    });

    it("munmap: the same, and the tables lose their key on the way out", () => {
      const { counters } = runMicro(target, named("munmap h:0"));
      expect(counters.registerWrites).toBe(2 * counters.tableWrites);
      expect(counters.writesBySetter.ptep_get_and_clear).toBe(PAGES);
      expect(counters.setMemoryPkeyCalls).toBe(counters.tablesFreed);
      expect(counters.tablesFreed).toBeGreaterThanOrEqual(LEAF_TABLES + 1);
    });
  });

  describe("with a switch in every lazy MMU section", () => {
    const target = built(arch, { batching: true });

    it.each([1, 4, 16, 64, 256])(
      "fix_size of %i pages: two writes to map and two to unmap; the barrier that mapping has pending saves one ISB",
      (pages) => {
        const result = runMicro(target, named(`fix_size p:${pages} h:0`));
        expect(each(result, "tableWrites")).toBe(2 * pages);
        expect(each(result, "registerWrites")).toBe(4);
        expect(each(result, "barriers")).toBe(3 * isb);
        expect(each(result, "setterBarriers")).toBe(isb);
      },
    );

    it.each([16, 64, 256])(
      "fix_size of %i pages in blocks: a section for each block where there are blocks",
      (pages) => {
        const result = runMicro(target, named(`fix_size p:${pages} h:1`));
        const sections = arch === "arm64-poe" ? pages / 16 : 1;
        expect(each(result, "registerWrites")).toBe(2 * sections + 2);
        expect(each(result, "barriers")).toBe((sections + 2) * isb);
      },
    );

    it("fork: two writes and two ISBs for each pair of tables copied, user pages having no barrier pending", () => {
      const { counters } = runMicro(target, named("fork h:0"));
      const { writesBySetter, setMemoryPkeyCalls, tablesAllocated } = counters;
      expect(writesBySetter.ptep_set_wrprotect).toBe(PAGES);
      expect(writesBySetter.set_pte).toBe(PAGES + setMemoryPkeyCalls);
      expect(setMemoryPkeyCalls).toBe(tablesAllocated);
      // Each table copied is a section; each table allocated is tagged in one, whose barrier is pending, and linked by a setter.
      const linked = writesBySetter.set_pmd + writesBySetter.set_pud + writesBySetter.set_p4d + writesBySetter.set_pgd;
      expect(counters.registerWrites).toBe(2 * (LEAF_TABLES + setMemoryPkeyCalls + linked));
      expect(counters.barriers).toBe((2 * LEAF_TABLES + setMemoryPkeyCalls + 2 * linked) * isb);
    });
  });

  it("switch nothing with the hardening off, and write the same entries", () => {
    const off = built(arch, null);
    const on = built(arch, { batching: true });
    for (const benchmark of TEST_VMALLOC) {
      const { registerWrites, barriers, tableWrites } = runMicro(off, benchmark).counters;
      expect([registerWrites, barriers]).toEqual([0, 0]);
      expect(runMicro(on, benchmark).counters.tableWrites).toBe(tableWrites);
    }
  });

  it("leave no memory taken", () => {
    const target = built(arch, { batching: true });
    for (const benchmark of TEST_VMALLOC) runMicro(target, benchmark);
    const before = target.get(PageAllocator).freePages;
    for (const benchmark of TEST_VMALLOC) runMicro(target, benchmark);
    expect(target.get(PageAllocator).freePages).toBe(before);
    expect([...target.get(AddressSpaces).all]).toHaveLength(0);
  });
});

describe.each(ARCHES)("vm_map_ram and vmalloc_huge on %s", (arch) => {
  const target = machine(arch);
  const vmalloc = target.get(Vmalloc);
  const pages = target.get(PageAllocator);
  const tables = target.get(PageTables);
  const format = target.get(PageTableFormat);
  const level = target.levelNames.length - 1;

  /** The frame of a kernel page; -1 where nothing is mapped. */
  function frameAt(page: number): number {
    const entry = tables.entryAt(tables.root, toLevel(level), toVpn(page))?.read();
    return entry !== undefined && format.isPresent(entry.high, entry.low) ? format.pfnOf(entry.high, entry.low) : -1;
  }

  it("map pages of the caller's in their order, which stay the caller's", () => {
    const frames = [pages.alloc(0)!, pages.alloc(0)!, pages.alloc(0)!];
    const { freePages } = pages;
    const page = vmalloc.mapRam(frames)!;
    expect([0, 1, 2].map((i) => frameAt(page + i))).toEqual(frames);
    expect(() => {
      vmalloc.free(page);
    }).toThrow("vfree");
    vmalloc.unmapRam(page);
    expect(frameAt(page)).toBe(-1);
    expect(() => {
      vmalloc.unmapRam(page);
    }).toThrow("vm_unmap_ram");
    // Tables that were missing are the only memory taken.
    expect(freePages - pages.freePages).toBeLessThanOrEqual(3);
    for (const frame of frames) pages.free(frame, 0);
  });

  it("take blocks of 16 pages where the contiguous hint joins them", () => {
    const page = vmalloc.alloc(32, { huge: true })!;
    const frames = Array.from({ length: 32 }, (_, i) => frameAt(page + i));
    if (arch === "arm64-poe") {
      expect(page % 16).toBe(0);
      for (const block of [0, 16]) {
        expect(frames[block]! % 16).toBe(0);
        expect(frames.slice(block, block + 16)).toEqual(Array.from({ length: 16 }, (_, i) => frames[block]! + i));
      }
    }
    expect(new Set(frames).size).toBe(32);
    vmalloc.free(page);
    expect(frameAt(page)).toBe(-1);
  });
});
