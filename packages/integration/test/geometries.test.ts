import { createPluginRegistry } from "@kpkeys/core";
import { LinearMap, PageTableFormat, PgtableArch } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { checkRule, failureText, rulesFor } from "@kpkeys/kunit-suite/conformance";
import { describe, expect, test } from "vitest";
import { GEOMETRY_CASES } from "./geometries.js";
import type { GeometryCase } from "./geometries.js";

const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** The largest block of the linear map by log2 of the page size: a pud of 4 KiB pages, a pmd of larger ones. */
const LARGEST_BLOCK: Readonly<Record<number, number>> = { 12: GiB, 14: 32 * MiB, 16: 512 * MiB };

/** The rules that depend on the shape of the tables and need no feature; test/slow has all. */
const RULES = rulesFor("arch").filter(({ id }) => /^(?:format|walk|fault|tlb)\/|^kernel\/boots$/.test(id));

function boot({ plugin }: GeometryCase, spec: Partial<MachineSpec> = {}): Machine {
  return buildMachine({ ...DEFAULT_SPEC, arch: plugin.id, ...spec }, createPluginRegistry([plugin]));
}

test("the rules of the table walk are there", () => {
  expect(RULES.length).toBeGreaterThan(20);
});

describe.each(GEOMETRY_CASES)("$name", (geometryCase) => {
  const { plugin, geometry } = geometryCase;

  test("keeps the rules of the codec, the walk, the TLB and fault reports, and boots", async () => {
    const failures: string[] = [];
    for (const rule of RULES) {
      const result = await checkRule(rule, { plugin, arches: [], features: [] });
      if (result.status === "failed") failures.push(failureText(result));
    }
    expect(failures).toEqual([]);
  });

  test("is what the machine has, and boots with the least memory", () => {
    const machine = boot(geometryCase, { memory: [{ bytes: 64 * MiB }] });
    expect(machine.get(PageTableFormat).geometry).toEqual(geometry);
    const { layout } = machine.get(PgtableArch);
    const { linearMap, image, vmallocStart, vmallocEnd, vmemmap, fixmap, userEnd } = layout;
    const half = 1n << BigInt(geometry.splitRoots ? geometry.addressBits : geometry.addressBits - 1);
    const modules = [layout.modulesStart!, layout.modulesEnd!];
    const below = image < vmallocStart ? [...modules, image] : [];
    const above = image < vmallocStart ? [] : [image, ...modules];
    const areas = [linearMap, ...below, vmallocStart, vmallocEnd, vmemmap, ...above, fixmap];
    expect(areas).toEqual(areas.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(linearMap).toBeGreaterThanOrEqual((1n << 64n) - half);
    expect(userEnd).toBeLessThanOrEqual(half);
  });

  test("has a linear map of blocks where those are allowed", () => {
    const machine = boot(geometryCase, { memory: [{ bytes: 4 * GiB }], kernel: { linearMap: "block" } });
    const used = machine
      .get(LinearMap)
      .stats()
      .leaves.filter(({ count }) => count > 0);
    expect(used.reduce((sum, { bytes, count }) => sum + bytes * count, 0)).toBe(4 * GiB);
    expect(Math.max(...used.map(({ bytes }) => bytes))).toBe(LARGEST_BLOCK[geometry.pageShift]);
  });
});

test("a block is never larger than 1 GiB, though descriptors with 52-bit addresses allow for it", () => {
  const large = GEOMETRY_CASES.find(({ name }) => name === "arm64 16k/52")!;
  const memory = [{ start: 64 * GiB, bytes: 64 * GiB }];
  const { leaves } = boot(large, { memory, kernel: { linearMap: "block" } })
    .get(LinearMap)
    .stats();
  expect(leaves).toContainEqual({ bytes: 64 * GiB, count: 0 });
});

test("RAM that the linear map has no room for is refused", () => {
  const small = GEOMETRY_CASES.find(({ name }) => name === "arm64 16k/36")!;
  expect(() => boot(small, { memory: [{ bytes: 64 * GiB }] })).toThrow(
    expect.objectContaining({ code: "ERR_SPEC", where: "memory bank 0" }) as Error,
  );
});

test("RAM that starts within a largest block of the buddy allocator is refused", () => {
  const large = GEOMETRY_CASES.find(({ name }) => name === "arm64 64k/48")!;
  const memory = [{ start: 2 * GiB + 256 * MiB, bytes: 256 * MiB }];
  expect(() => boot(large, { memory })).toThrow(
    expect.objectContaining({ code: "ERR_SPEC", where: "memory bank 0" }) as Error,
  );
});
