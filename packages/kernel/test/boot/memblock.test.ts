import { toPfn } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { Memblock } from "../../src/boot/memblock.js";

const BANKS = [
  { firstPfn: toPfn(0x1000), pages: 0x1000 },
  { firstPfn: toPfn(0x8000), pages: 0x400 },
];

it("allocates from the top of memory downward", () => {
  const memblock = new Memblock({ pageShift: 12, banks: BANKS });
  expect([memblock.alloc(1, 1, "tables"), memblock.alloc(1, 1, "tables")]).toEqual([0x83ff, 0x83fe]);
});

it("aligns and keeps the skipped pages free", () => {
  const memblock = new Memblock({ pageShift: 12, banks: BANKS });
  memblock.alloc(1, 1, "tables");
  expect(memblock.alloc(512, 512, "tables")).toBe(0x8000);
  expect(memblock.free()).toEqual([
    [0x1000, 0x2000],
    [0x8200, 0x83ff],
  ]);
});

it("does not allocate reserved pages", () => {
  const memblock = new Memblock({ pageShift: 12, banks: BANKS });
  memblock.reserve(toPfn(0x1800), 0x100);
  memblock.reserve(toPfn(0x8000), 0x400);
  expect(memblock.free()).toEqual([
    [0x1000, 0x1800],
    [0x1900, 0x2000],
  ]);
  expect(memblock.alloc(0x700, 1, "tables")).toBe(0x1900);
  expect(memblock.alloc(0x800, 1, "tables")).toBe(0x1000);
  expect(memblock.tryAlloc(1, 1)).toBeUndefined();
  expect(() => memblock.alloc(1, 1, "tables")).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }) as Error);
});
