import { createContainer } from "@kpkeys/core";
import { Access, FaultKind, OK, Privilege, toLevel, toPfn } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createPgtable, x86Pks, X86_GEOMETRIES } from "../src/index.js";
import { createMachine } from "./machine.js";

const [, five] = X86_GEOMETRIES;

test("the shapes are Linux's: levels and widths of addresses", () => {
  expect(
    X86_GEOMETRIES.map(({ levels, addressBits }) => [levels.map(({ name }) => name).join(" "), addressBits]),
  ).toEqual([
    ["pgd pud pmd pte", 48],
    ["pgd p4d pud pmd pte", 57],
  ]);
});

describe("with five levels", () => {
  test("CR4.LA57 is 1", () => {
    const cr4 = (levels: number): bigint => createMachine({ levels }).cpu.systemRegisters.read("CR4");
    expect(cr4(5) ^ cr4(4)).toBe(1n << 12n);
  });

  test("ptdump names five levels, and PS of the last is PAT", () => {
    const { tools } = createMachine({ levels: 5 });
    const last = [0, 1, 2, 3, 4].map((level) => tools.ptdumpColumns(level, 0, 0x1).at(-1));
    expect(last).toEqual(["pgd", "p4d", "pud", "pmd", "pte"]);
    expect(tools.ptdumpColumns(4, 0, 0x81)).toContain("PAT");
    expect(tools.ptdumpColumns(3, 0, 0x81)).toContain("PSE");
  });

  test("the layout is that of Documentation/arch/x86/x86_64/mm.rst", () => {
    const { layout, userLayout } = createPgtable(five!);
    expect(layout).toMatchObject({
      linearMap: 0xff11000000000000n,
      vmallocStart: 0xffa0000000000000n,
      vmallocEnd: 0xffd2000000000000n,
      vmemmap: 0xffd4000000000000n,
      userEnd: (1n << 56n) - 4096n,
    });
    expect(userLayout.stackTop).toBe((1n << 47n) - 4096n);
  });

  test("two addresses that differ only in bits 63 to 54 are two pages", () => {
    const machine = createMachine({ levels: 5 });
    const { cpu, memory } = machine;
    const root = memory.firstPfn;
    cpu.mmu.setKernelRoot(root);
    cpu.mmu.enabled = true;
    // Both have 11 in bits 53:52 and the same other bits: 0xffbf... and 0xffff...
    [0xffbfffff, 0xffffffff].forEach((high, page) => {
      const tables = [root, ...[1, 2, 3, 4].map((level) => root + 1 + page * 4 + level)];
      tables.forEach((table, level) => {
        const leaf = level === 4 ? ((root + 32 + page) << 12) | 0x163 : (tables[level + 1]! << 12) | 0x63;
        memory.write(toPfn(table), machine.format.index(toLevel(level), high | 0, 0x80000000 | 0), {
          high: 0,
          low: leaf,
        });
      });
    });
    expect(cpu.store64(0xffbfffff | 0, 0x80000000 | 0, 0, 1)).toBe(OK);
    expect(cpu.store64(0xffffffff | 0, 0x80000000 | 0, 0, 2)).toBe(OK);
    expect([32, 33].map((page) => memory.read(toPfn(root + page), 0).low)).toEqual([1, 2]);
  });

  test("an address of 57 bits is canonical, one of 58 bits is not", () => {
    const { cpu } = createMachine({ levels: 5 });
    cpu.mmu.enabled = true;
    const kindAt = (high: number): FaultKind => {
      cpu.access(high | 0, 0, Access.READ, Privilege.USER);
      return cpu.fault.kind;
    };
    expect(kindAt(0x00ffffff)).toBe(FaultKind.TRANSLATION);
    expect(kindAt(0x01000000)).toBe(FaultKind.ADDRESS_SIZE);
  });
});

test.each([3, 6, "5"])("the plugin rejects %j levels", (levels) => {
  expect(() => {
    x86Pks.setup(createContainer(), { levels });
  }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }) as Error);
});
