import { SETTERS, toLevel } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createPageTableFormat, createPgtable, X86_GEOMETRIES } from "../src/index.js";

const pgtable = createPgtable(X86_GEOMETRIES[0]!);
const { layout, staticTables } = pgtable;
const GiB = 1n << 30n;

describe("the address-space layout", () => {
  const areas = [
    ["linear map of 1 TiB", layout.linearMap, layout.linearMap + 1024n * GiB],
    ["vmalloc", layout.vmallocStart, layout.vmallocEnd],
    ["vmemmap of 1 TiB", layout.vmemmap, layout.vmemmap + ((1024n * GiB) / 4096n) * BigInt(layout.structPageSize)],
    ["image", layout.image, layout.image + (8n << 20n)],
    ["modules", layout.modulesStart!, layout.modulesEnd!],
    ["fixmap", layout.fixmap, layout.fixmap + 8n * 4096n],
  ] as const;

  test("has ascending areas of whole pages, all canonical kernel addresses", () => {
    let previous = 0xffff800000000000n;
    for (const [name, start, end] of areas) {
      expect(start, name).toBeGreaterThanOrEqual(previous);
      expect(start % 4096n, name).toBe(0n);
      previous = end;
    }
    expect(previous).toBeLessThanOrEqual(1n << 64n);
  });

  test("has the module area that ptdump of Linux 7.2 shows", () => {
    expect([layout.modulesStart, layout.modulesEnd]).toEqual([0xffffffffc0000000n, 0xffffffffff000000n]);
  });

  test("has the eight fixmap slots under one last-level table", () => {
    const pmd = (address: bigint): bigint => address >> 21n;
    expect(pmd(layout.fixmap)).toBe(pmd(layout.fixmap + 8n * 4096n - 1n));
  });

  test("maps image and fixmap with separate tables below one PML4 entry, as many as there are static pages", () => {
    const format = createPageTableFormat(46);
    const at = (level: number, address: bigint): number =>
      format.index(toLevel(level), Number(BigInt.asIntN(32, address >> 32n)), Number(BigInt.asIntN(32, address)));
    expect([at(0, layout.image), at(0, layout.fixmap)]).toEqual([511, 511]);
    expect([at(1, layout.image), at(1, layout.fixmap)]).toEqual([510, 511]);
    const pages = (role: string): number => staticTables.find((tables) => tables.role === role)!.pages;
    const tablesOfImage = 1 + 1 + 4;
    expect([pages("root"), pages("fixmap")]).toEqual([1, 3]);
    expect(pages("image")).toBeGreaterThanOrEqual(tablesOfImage);
  });

  test("ends user space one page below the canonical hole", () => {
    expect(layout.userEnd).toBe((1n << 47n) - 4096n);
  });
});

test("no setter needs a barrier, and no table becomes read-only: all are protected by the key", () => {
  for (const setter of SETTERS) expect(pgtable.barrierAfter(setter, -1, -1)).toBe(false);
  expect(staticTables.every(({ protection }) => protection === "pkey")).toBe(true);
});
