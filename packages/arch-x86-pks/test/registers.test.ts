import type { Rights } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSystemRegisters, IA32_PKRS } from "../src/index.js";

/** The register's value with the rights given, from key 0 up. */
function compose(rights: readonly Rights[]): number {
  return rights.reduce((value, right, key) => value | IA32_PKRS.field(key, right).low, 0) >>> 0;
}

const unused = (count: number): Rights[] => Array<Rights>(count).fill(IA32_PKRS.unused);

describe("IA32_PKRS", () => {
  test.each([
    ["key 0 open, all others closed: PKS_INIT_VALUE", ["rw", ...unused(15)], 0x55555554],
    ["the DEFAULT context with page tables alone on key 1", ["rw", "r", ...unused(14)], 0x55555558],
    ["the PGTABLES context", ["rw", "rw", ...unused(14)], 0x55555550],
  ] as const)("%s", (_name, rights, value) => {
    expect(compose(rights)).toBe(value);
  });

  const rights = fc.constantFrom<Rights>("none", "r", "rw", "rx", "rwx");
  const MEANING: Record<Rights, string> = { none: "x", r: "rx", rx: "rx", rw: "rwx", rwx: "rwx" };

  test("a field holds the rights that were encoded in it, and always execution", () => {
    fc.assert(
      fc.property(fc.array(rights, { minLength: 16, maxLength: 16 }), (list) => {
        const value = compose(list);
        expect(list.map((_, key) => IA32_PKRS.rightsOf(0, value, key))).toEqual(list.map((right) => MEANING[right]));
      }),
    );
  });

  test("AD takes precedence over WD, and the fields of all keys fill 32 bits without overlap", () => {
    expect(IA32_PKRS.rightsOf(0, 0b11, 0)).toBe("x");
    const masks = Array.from({ length: IA32_PKRS.keys }, (_, key) => IA32_PKRS.fieldMask(key).low);
    expect(masks.reduce((sum, mask) => sum + (mask >>> 0), 0)).toBe(2 ** 32 - 1);
    expect(masks.reduce((union, mask) => union | mask, 0)).toBe(-1);
  });
});

describe("system registers", () => {
  const bits = (value: bigint, positions: readonly number[]): boolean =>
    positions.every((position) => ((value >> BigInt(position)) & 1n) === 1n);

  test("start with the values of Linux: PG, WP; PAE, PGE, SMEP, SMAP, PKE, PKS; NXE; AC clear", () => {
    const registers = createSystemRegisters(true);
    expect(registers.names).toEqual(["CR0", "CR4", "EFER", "RFLAGS", "PKRU"]);
    expect(bits(registers.read("CR0"), [0, 16, 31])).toBe(true);
    expect(bits(registers.read("CR4"), [5, 7, 20, 21, 22, 24])).toBe(true);
    expect(bits(registers.read("EFER"), [8, 10, 11])).toBe(true);
    expect(bits(registers.read("RFLAGS"), [18])).toBe(false);
    expect(registers.read("PKRU")).toBe(0x55555554n);
  });

  test("hold all 32 bits of a written value", () => {
    const registers = createSystemRegisters(true);
    for (const name of registers.names) {
      registers.write(name, 0xfedcba98n);
      expect(registers.read(name)).toBe(0xfedcba98n);
    }
  });

  test.each([
    ["an unknown register", "CR3", 0n],
    ["a value of more than 32 bits", "CR4", 1n << 32n],
    ["a negative value", "PKRU", -1n],
  ])("reject %s", (_name, register, value) => {
    const registers = createSystemRegisters(true);
    expect(() => {
      registers.write(register, value);
    }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });

  test("have CR4.PKS reserved on a CPU without PKS", () => {
    const registers = createSystemRegisters(false);
    expect(bits(registers.read("CR4"), [24])).toBe(false);
    expect(() => {
      registers.write("CR4", 1n << 24n);
    }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });
});
