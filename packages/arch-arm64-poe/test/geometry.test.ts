import type { Words } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { Access, EntryType, FAULT, FaultKind, OK, Privilege, toLevel, toPfn } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { ARM64_GEOMETRIES, createFormat, createPgtable } from "../src/index.js";
import type { Arm64Geometry } from "../src/index.js";
import { createMachine, high, join, low } from "./machine.js";

const named = (pageShift: number, addressBits: number): Arm64Geometry =>
  ARM64_GEOMETRIES.find((each) => each.pageShift === pageShift && each.addressBits === addressBits)!;
const LPA2 = named(12, 52);
const CASES = ARM64_GEOMETRIES.map((geometry) => ({
  name: `${2 ** (geometry.pageShift - 10)}k/${geometry.addressBits}`,
  geometry,
}));

test("the shapes are Linux's: levels and entries of the root", () => {
  const shapes = CASES.map(({ name, geometry: { levels, firstLevel } }) => [
    name,
    firstLevel,
    levels.map((level) => level.name).join(" "),
    2 ** levels[0]!.indexBits,
  ]);
  expect(shapes.sort()).toEqual([
    ["16k/36", 2, "pgd pte", 2048],
    ["16k/47", 1, "pgd pmd pte", 2048],
    ["16k/48", 0, "pgd pud pmd pte", 2],
    ["16k/52", 0, "pgd pud pmd pte", 32],
    ["4k/39", 1, "pgd pmd pte", 512],
    ["4k/48", 0, "pgd pud pmd pte", 512],
    ["4k/52", -1, "pgd p4d pud pmd pte", 16],
    ["64k/42", 2, "pgd pte", 8192],
    ["64k/48", 1, "pgd pmd pte", 64],
    ["64k/52", 1, "pgd pmd pte", 1024],
  ]);
});

describe.each(CASES)("$name", ({ geometry }) => {
  const format = createFormat(geometry);
  const { pageShift, outputBits, levels } = geometry;
  const last = levels.length - 1;
  const pfn = fc.maxSafeNat().map((value) => value % 2 ** (outputBits - pageShift));

  test("an entry decodes to the page frame that it was encoded from, and uses only bits of the address", () => {
    fc.assert(
      fc.property(pfn, fc.boolean(), (frame, isTable) => {
        const make = (of: number): Words =>
          isTable
            ? format.makeTable(toPfn(of), true)
            : format.makeLeaf(toLevel(last), toPfn(of), format.protections.PAGE_SHARED);
        const entry = make(frame);
        expect(format.pfnOf(entry.high, entry.low)).toBe(frame);
        expect(format.typeOf(toLevel(isTable ? 0 : last), entry.high, entry.low)).toBe(
          isTable && last > 0 ? EntryType.TABLE : EntryType.LEAF,
        );
        const bits = join(entry) ^ join(make(0));
        expect(bits).toBe(expectedBits(geometry, BigInt(frame) << BigInt(pageShift)));
      }),
    );
  });

  test("a machine walks to a page and faults at each level", () => {
    const options = { pageSize: 2 ** pageShift, vaBits: geometry.addressBits };
    const firstPfn = 2 ** (31 - pageShift);
    const machine = createMachine(options, { firstPfn: toPfn(firstPfn), pages: 64 });
    const entries = levels.map((_, level) => {
      const { PAGE_SHARED } = format.protections;
      return join(
        level === last
          ? format.makeLeaf(toLevel(level), toPfn(firstPfn + 32), PAGE_SHARED)
          : format.makeTable(toPfn(firstPfn + level + 1), true),
      );
    });
    const va = 2n ** BigInt(geometry.addressBits) - 0x1000n;
    const access = (): number => machine.cpu.access(high(va), low(va), Access.READ, Privilege.USER);
    machine.map(va, entries);
    expect(access()).toBe(OK);
    const statuses = levels.map((_, hole) => {
      machine.map(va, entries.slice(0, hole));
      expect(access()).toBe(FAULT);
      return machine.cpu.fault.syndromeLow & 0x3f;
    });
    const expected = { "-1": 0x2b, 0: 4, 1: 5, 2: 6, 3: 7 } as Readonly<Record<number, number>>;
    expect(statuses).toEqual(levels.map((_, level) => expected[geometry.firstLevel + level]));
  });
});

/** Positions of the bits of an output address in the Arm ARM ("VMSAv8-64 descriptor formats"). */
function expectedBits({ pageShift, lpa2 }: Arm64Geometry, address: bigint): bigint {
  const field = (from: bigint, to: bigint): bigint => (address >> from) & ((1n << (to - from + 1n)) - 1n);
  if (lpa2) return (field(50n, 51n) << 8n) | (address & ((1n << 50n) - 1n));
  return pageShift === 16 ? (field(48n, 51n) << 12n) | (address & ((1n << 48n) - 1n)) : address;
}

test("with FEAT_LPA2 a descriptor has no SH, and an address above the CPU's is an address size fault of level -1", () => {
  const shared = 0x300;
  expect(Object.values(createFormat(LPA2).protections).every((each) => (each.low & shared) === 0)).toBe(true);
  expect(Object.values(createFormat(named(14, 47)).protections).every((each) => (each.low & shared) === shared)).toBe(
    true,
  );
  const machine = createMachine({ vaBits: 52, physicalAddressBits: 48 });
  for (const beyond of [1n << 48n, 1n << 8n]) {
    machine.map(0n, [0x80001403n | beyond]);
    expect(machine.cpu.access(0, 0, Access.READ, Privilege.USER)).toBe(FAULT);
    expect(machine.cpu.fault).toMatchObject({ kind: FaultKind.ADDRESS_SIZE, level: 0 });
    expect(machine.cpu.fault.syndromeLow & 0x3f).toBe(0x29);
  }
});

test("an address in the first page is a NULL pointer, for each page size", () => {
  const words = (options: Record<string, number>): string => {
    const { cpu, tools } = createMachine(options, { firstPfn: toPfn(16), pages: 16 });
    cpu.access(0, 0x2000, Access.READ, Privilege.KERNEL);
    return tools.describeFault(cpu.fault);
  };
  expect(words({})).toContain("paging request");
  expect(words({ pageSize: 65536 })).toContain("NULL pointer dereference");
});

test("TCR_EL1 has the sizes, granules, DS and IPS of the shape", () => {
  const tcr = (options: Record<string, number>): bigint => createMachine(options).cpu.systemRegisters.read("TCR_EL1");
  const fields = (value: bigint): number[] =>
    (
      [
        [0n, 6n],
        [14n, 2n],
        [16n, 6n],
        [30n, 2n],
        [32n, 3n],
        [59n, 1n],
      ] as const
    ).map(([from, bits]) => Number((value >> from) & ((1n << bits) - 1n)));
  expect(fields(tcr({}))).toEqual([16, 0, 16, 2, 5, 0]);
  expect(fields(tcr({ vaBits: 39, physicalAddressBits: 40 }))).toEqual([25, 0, 25, 2, 2, 0]);
  expect(fields(tcr({ vaBits: 52 }))).toEqual([12, 0, 12, 2, 6, 1]);
});

describe("the layout is that of asm/memory.h", () => {
  // PAGE_OFFSET, KIMAGE_VADDR, VMEMMAP_START, TASK_SIZE, STACK_TOP.
  test.each<[number, number, bigint, bigint, bigint, bigint, bigint]>([
    [12, 39, 0xffffff8000000000n, 0xffffffc080000000n, 0xfffffffec0000000n, 1n << 39n, 1n << 39n],
    [12, 48, 0xffff000000000000n, 0xffff800080000000n, 0xfffffdffc0000000n, 1n << 48n, 1n << 48n],
    [12, 52, 0xfff0000000000000n, 0xffff800080000000n, 0xffffc1ffc0000000n, 1n << 52n, 1n << 48n],
    [14, 52, 0xfff0000000000000n, 0xffffc00080000000n, 0xfffff03fc0000000n, 1n << 52n, 1n << 47n],
    [16, 52, 0xfff0000000000000n, 0xffff800080000000n, 0xfffffc1fc0000000n, 1n << 52n, 1n << 48n],
    [16, 42, 0xfffffc0000000000n, 0xfffffe0080000000n, 0xffffffff40000000n, 1n << 42n, 1n << 42n],
  ])("with 2^%i bytes and %i bits", (pageShift, vaBits, linearMap, image, vmemmap, userEnd, stackTop) => {
    const { layout, userLayout } = createPgtable(named(pageShift, vaBits));
    expect(layout).toMatchObject({ linearMap, image, vmemmap, userEnd });
    expect(userLayout.stackTop).toBe(stackTop);
    expect(layout.fixmap).toBe(2n ** 64n - (8n << 20n) - (8n << BigInt(pageShift)));
  });
});

test.each([
  [{ pageSize: 8192 }, /pageSize/],
  [{ pageSize: 4096, vaBits: 47 }, /vaBits.*39, 48, 52/s],
  [{ pageSize: 16384, vaBits: 39 }, /vaBits.*36, 47, 48, 52/s],
  [{ pageSize: 65536, vaBits: 39 }, /vaBits.*42, 48, 52/s],
  [{ physicalAddressBits: 52 }, /physicalAddressBits/],
])("the plugin rejects %j", (options, message) => {
  expect(() => createMachine(options)).toThrow(expect.objectContaining({ code: "ERR_SPEC" }) as Error);
  expect(() => createMachine(options)).toThrow(message);
});
