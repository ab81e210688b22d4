import fc from "fast-check";
import type { Rights } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createSystemRegisters, POR_EL1 } from "../src/index.js";

const rights = fc.constantFrom<Rights>("none", "r", "rw", "rx", "rwx");

describe("POR_EL1", () => {
  test("holds the rights of 8 keys in separate fields", () => {
    fc.assert(
      fc.property(fc.array(rights, { minLength: 8, maxLength: 8 }), (all) => {
        const low = all.reduce((sum, each, key) => sum | POR_EL1.field(key, each).low, 0);
        expect(all.map((_, key) => POR_EL1.rightsOf(0, low, key))).toEqual(all);
        const cleared = all.map((_, key) => low & ~POR_EL1.fieldMask(key).low);
        cleared.forEach((value, key) => {
          expect(POR_EL1.rightsOf(0, value, key)).toBe("none");
          expect(value | POR_EL1.field(key, all[key]!).low).toBe(low);
        });
      }),
    );
    expect(POR_EL1.keys).toBe(8);
  });

  test("has R in bit 0 of a field, X in bit 1 and W in bit 2; reserved values allow nothing", () => {
    const all = Array.from({ length: 16 }, (_, field) => POR_EL1.rightsOf(0, field << 12, 3));
    expect(all.slice(0, 8)).toEqual(["none", "r", "x", "rx", "w", "rw", "wx", "rwx"]);
    expect(new Set(all.slice(8))).toEqual(new Set(["none"]));
  });

  test("is 0x17 with all rights on key 0 and reading on key 1, and 0x57 with writing too: the series' values", () => {
    const value = (pgtables: Rights): number => POR_EL1.field(0, "rwx").low | POR_EL1.field(1, pgtables).low;
    expect([value("r"), value("rw")]).toEqual([0x17, 0x57]);
  });
});

describe("system registers", () => {
  test("start with the values of Linux with kpkeys, or without overlays on a CPU that has none", () => {
    const values = (pkeys: boolean): bigint[] => {
      const registers = createSystemRegisters(pkeys);
      return ["TCR2_EL1", "PIR_EL1", "PIRE0_EL1", "POR_EL0"].map((name) => registers.read(name));
    };
    expect(values(true)).toEqual([0xen, 0x5511070350100000n, 0x5010908070320000n, 7n]);
    expect(values(false)).toEqual([0x2n, 0xcc880e0ac0800000n, 0x5010908070320000n, 7n]);
  });

  test("hold 64 bits each", () => {
    const registers = createSystemRegisters(true);
    for (const name of registers.names) {
      registers.write(name, 0xfedcba9876543210n);
      expect(registers.read(name)).toBe(0xfedcba9876543210n);
    }
    expect(() => {
      registers.write("PIR_EL1", 2n ** 64n);
    }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
    expect(() => {
      registers.write("PIR_EL1", -1n);
    }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });

  test("reject an unknown name", () => {
    const registers = createSystemRegisters(true);
    expect(() => registers.read("CR4")).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
    expect(() => {
      registers.write("CR4", 0n);
    }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });

  test("cannot enable overlays on a CPU that has none", () => {
    const registers = createSystemRegisters(false);
    for (const bit of [4n, 8n]) {
      expect(() => {
        registers.write("TCR2_EL1", bit);
      }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
    }
    registers.write("TCR2_EL1", 0n);
  });
});
