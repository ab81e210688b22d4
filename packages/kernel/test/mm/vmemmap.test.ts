import { Cpus, LinearMap, OK, pageOf, PageTableFormat, PgtableArch, toPfn } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { addressText } from "@kpkeys/core";
import { pageOfAddress } from "../../src/mm/addresses.js";
import { pagesOnly } from "../support/arches.js";
import { boot, entryOf, PAGE_SHIFT } from "../support/machine.js";
import type { Extras } from "../support/machine.js";

/** Boots. @returns the level of the leaf of each page of the vmemmap, which the CPU can read */
function levelsOf(bytes: number, extras: Extras = {}, start = 0x40000000): readonly string[] {
  const machine = boot({ memory: [{ start, bytes }] }, extras);
  const { levels } = machine.get(PageTableFormat).geometry;
  const { firstPfn, endPfn } = machine.memory;
  const first = pageOfAddress(machine.get(PgtableArch).layout.vmemmap, PAGE_SHIFT);
  const { high, low } = machine.get(LinearMap).structPage(toPfn(endPfn - 1));
  const last = pageOf({ high, low }, PAGE_SHIFT);
  expect((last + 1 - first) * 2 ** PAGE_SHIFT).toBeGreaterThanOrEqual((endPfn - firstPfn) * 64);
  return Array.from({ length: last + 1 - first }, (_, i) => {
    const status = machine.get(Cpus).current.load64(Math.floor((first + i) / 2 ** 18) | 0, (first + i) << PAGE_SHIFT);
    expect(status, addressText(high, low)).toBe(OK);
    return levels[entryOf(machine, first + i).level]!.name;
  });
}

it("is mapped with blocks if the geometry has blocks and memory is free", () => {
  expect(new Set(levelsOf(256 * 1024 * 1024))).toEqual(new Set(["pmd"]));
});

it("is mapped with pages if no upper level has leaves", () => {
  expect(new Set(levelsOf(256 * 1024 * 1024, { arch: pagesOnly }))).toEqual(new Set(["pte"]));
});

it("is mapped with pages if no block is free", () => {
  expect(new Set(levelsOf(64 * 1024 * 1024, {}, 0x41000000))).toEqual(new Set(["pte"]));
});
