import { KpkeysError } from "@kpkeys/core";
import { Exceptions, KernelMemory, PageAllocator, SlabAllocator, toPhysAddr } from "@kpkeys/core/contracts";
import type { SlabCache } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, machine, settle } from "./machines.js";

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KpkeysError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

/** Whether a stray store to the first word of an object goes through. */
function isOpen(booted: Machine, object: number): boolean {
  const { high, low } = booted.get(KernelMemory).linearAddress(toPhysAddr(object));
  return booted.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8)) === 0;
}

const SIZES = [8, 24, 100, 192, 700, 1024, 3000, 8192] as const;

describe.each(ARCHES)("slab caches on %s", (arch) => {
  it("never hand out what overlaps, never touch what is in use, and give every page back", () => {
    const step = fc.record({ cache: fc.nat(SIZES.length - 1), free: fc.boolean(), which: fc.nat(99) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const booted = machine(arch, { memory: [{ bytes: 64 * 2 ** 20 }] });
        const slab = booted.get(SlabAllocator);
        const memory = booted.get(KernelMemory);
        settle(booted);
        const { freePages } = booted.get(PageAllocator);
        const caches = SIZES.map((size) => slab.createCache(`test-${size}`, { size }));
        const used: { readonly cache: SlabCache; readonly object: number; readonly stamp: number }[] = [];
        /** The last word of an object and the one in its middle, where the free list runs. */
        const words = ({ size }: SlabCache, object: number): number[] => [
          object,
          object + ((size >> 1) & ~7),
          object + size - 8,
        ];
        const giveBack = (index: number): void => {
          const [{ cache, object, stamp }] = used.splice(index, 1) as [(typeof used)[number]];
          for (const word of words(cache, object)) {
            memory.load(toPhysAddr(word), "test");
            expect(memory.valueLow).toBe(stamp);
          }
          cache.free(toPhysAddr(object));
        };
        steps.forEach(({ cache: index, free, which }, stamp) => {
          if (free && used.length > 0) giveBack(which % used.length);
          if (free) return;
          const cache = caches[index]!;
          const object = cache.alloc()!;
          expect(object % 8).toBe(0);
          expect(slab.cacheOf(toPhysAddr(object + cache.size - 1))).toBe(cache);
          for (const other of used) {
            expect(object + cache.size <= other.object || other.object + other.cache.size <= object).toBe(true);
          }
          for (const word of words(cache, object)) memory.store(toPhysAddr(word), 0, stamp, "test");
          used.push({ cache, object, stamp });
        });
        const inUse = caches.reduce((sum, { objectsInUse }) => sum + objectsInUse, 0);
        expect(inUse).toBe(used.length);
        while (used.length > 0) giveBack(0);
        settle(booted);
        expect(booted.get(PageAllocator).freePages).toBe(freePages);
      }),
      { numRuns: 10 },
    );
  });

  it("of one size are one cache, unless one has a key: that is never merged, not even with its like", () => {
    const slab = machine(arch, { features: ["cred"] }).get(SlabAllocator);
    const plain = slab.createCache("first", { size: 96 });
    expect(slab.createCache("second", { size: 90 })).toBe(plain);
    expect(slab.createCache("default", { size: 96, pkey: "DEFAULT" })).toBe(plain);
    const keyed = [1, 2].map((number) => slab.createCache(`keyed-${number}`, { size: 96, pkey: "CRED" }));
    expect(new Set([plain, ...keyed]).size).toBe(3);
    expect(slab.cacheOf(slab.kmalloc(90)!)).toBe(plain);
  });

  it("with a key are closed while they live and open when their pages come back", () => {
    const booted = machine(arch, { features: ["pgtables", "cred"] });
    const cache = booted.get(SlabAllocator).createCache("secrets", { size: 64, pkey: "CRED" });
    const objects = Array.from({ length: 100 }, () => cache.alloc()!);
    expect(cache.slabs).toBe(2);
    expect(objects.filter((object) => isOpen(booted, object))).toEqual([]);
    for (const object of objects) cache.free(object);
    expect(objects.filter((object) => isOpen(booted, object))).toEqual([]);
    cache.shrink();
    expect(cache.slabs).toBe(0);
    expect(objects.filter((object) => !isOpen(booted, object))).toEqual([]);
  });

  it("keep a bounded number of empty slabs", () => {
    const cache = machine(arch).get(SlabAllocator).createCache("large", { size: 4096 });
    const objects = Array.from({ length: 40 }, () => cache.alloc()!);
    for (const object of objects) cache.free(object);
    expect(cache.slabs).toBeLessThanOrEqual(10);
  });

  it("name the misuse", () => {
    const booted = machine(arch);
    const slab = booted.get(SlabAllocator);
    const cache = slab.createCache("mine", { size: 64 });
    const object = cache.alloc()!;
    const attempts: (() => unknown)[] = [
      () => {
        cache.free(toPhysAddr(object + 8));
      },
      () => {
        cache.free(slab.kmalloc(512)!);
      },
      () => {
        slab.kfree(toPhysAddr(0));
      },
      () => {
        cache.free(object);
        cache.free(object);
      },
    ];
    for (const attempt of attempts) expect(codeOf(attempt)).toBe("ERR_KERNEL_BUG");
    // The next free object's link is overwritten, as an attacker would.
    const next = cache.alloc()!;
    cache.free(next);
    booted.get(KernelMemory).store(toPhysAddr(next + 32), 0x1234, 0x5678, "attack");
    expect(codeOf(() => [cache.alloc(), cache.alloc()])).toBe("ERR_KERNEL_BUG");
    for (const size of [0, 8193, 1.5]) expect(codeOf(() => slab.createCache("odd", { size }))).toBe("ERR_SPEC");
    expect(codeOf(() => slab.createCache("unknown", { size: 8, pkey: "PGTABLES" }))).toBe("ERR_PKEY_UNKNOWN");
  });
});
