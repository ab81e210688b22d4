import type { Setter, Words } from "@kpkeys/core/contracts";
import { SETTERS, toPfn } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { ARM64_FORMAT, ARM64_GEOMETRIES, createPgtable } from "../src/index.js";

const pgtable = createPgtable(ARM64_GEOMETRIES[0]!);
const { layout } = pgtable;

function barrierAfter(setter: Setter, { high, low }: Words): boolean {
  return pgtable.barrierAfter(setter, high, low);
}

describe("barriers after a setter are those of asm/pgtable.h", () => {
  const { PAGE_KERNEL, PAGE_SHARED, PAGE_NONE } = ARM64_FORMAT.protections;
  const none = { high: 0, low: 0 };

  test("after set_pte: for a valid kernel page", () => {
    const entries = [PAGE_KERNEL, PAGE_SHARED, PAGE_NONE, none];
    expect(entries.map((entry) => barrierAfter("set_pte", entry))).toEqual([true, false, false, false]);
  });

  test("after set_pmd and set_pud: for a valid entry; after set_p4d and set_pgd: always", () => {
    const table = ARM64_FORMAT.makeTable(toPfn(5), true);
    for (const setter of ["set_pmd", "set_pud"] as const) {
      expect([table, none].map((entry) => barrierAfter(setter, entry))).toEqual([true, false]);
    }
    for (const setter of ["set_p4d", "set_pgd"] as const) {
      expect([table, none].map((entry) => barrierAfter(setter, entry))).toEqual([true, true]);
    }
  });

  test("never after the others", () => {
    const others = SETTERS.filter((setter) => !setter.startsWith("set_"));
    expect(others).toHaveLength(6);
    for (const setter of others) expect(barrierAfter(setter, PAGE_KERNEL)).toBe(false);
  });
});

describe("the layout", () => {
  test("has areas that do not overlap, aligned to pages", () => {
    const TiB = 1n << 40n;
    const areas: readonly (readonly [bigint, bigint])[] = [
      [0n, layout.userEnd],
      [layout.linearMap, layout.linearMap + TiB],
      [layout.modulesStart!, layout.modulesEnd!],
      [layout.image, layout.image + (8n << 20n)],
      [layout.vmallocStart, layout.vmallocEnd],
      [layout.vmemmap, layout.vmemmap + (TiB >> 12n) * BigInt(layout.structPageSize)],
      [layout.fixmap, layout.fixmap + 8n * 0x1000n],
    ];
    areas.forEach(([start, end], n) => {
      expect(start % 0x1000n).toBe(0n);
      expect(start).toBeLessThan(end);
      if (n > 0) expect(areas[n - 1]![1]).toBeLessThanOrEqual(start);
    });
  });

  test("has 2 GiB for modules between the linear map and the image, as ptdump of Linux 7.2 shows", () => {
    expect([layout.modulesStart, layout.modulesEnd]).toEqual([0xffff800000000000n, 0xffff800080000000n]);
  });

  test("has all fixmap slots below one table of pages", () => {
    expect(layout.fixmap >> 21n).toBe((layout.fixmap + 8n * 0x1000n - 1n) >> 21n);
  });
});
