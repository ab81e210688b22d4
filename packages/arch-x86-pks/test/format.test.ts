import { applyChange, Access, EntryType, OK, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { ProtectionName } from "@kpkeys/core/contracts";
import { fromWords, toWords } from "@kpkeys/core/machine";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createPageTableFormat } from "../src/index.js";
import { createMachine } from "./machine.js";

const MAXPHYADDR = 46;
const format = createPageTableFormat(MAXPHYADDR);
const names = Object.keys(format.protections) as ProtectionName[];
const [RW, D, SAVED_DIRTY, XD] = [1n << 1n, 1n << 6n, 1n << 58n, 1n << 63n];

const pfns = fc.nat(2 ** (MAXPHYADDR - 12) - 1);
const words = fc.bigInt(0n, 2n ** 64n - 1n);

type Change = "makeWritable" | "makeReadOnly" | "makeYoung" | "makeOld" | "makeDirty" | "makeClean";

function changed(bits: bigint, change: Change): bigint {
  const { high, low } = format[change](toWords(bits));
  return fromWords(high, low);
}

describe("protections and tables are Linux's", () => {
  test.each([
    ["PAGE_KERNEL", 0x8000000000000163n],
    ["PAGE_KERNEL_RO", 0x8000000000000121n],
    ["PAGE_KERNEL_ROX", 0x121n],
    ["PAGE_KERNEL_EXEC", 0x163n],
    ["PAGE_NONE", 0x120n],
    ["PAGE_READONLY", 0x8000000000000025n],
    ["PAGE_READONLY_EXEC", 0x25n],
    ["PAGE_SHARED", 0x8000000000000027n],
    ["PAGE_SHARED_EXEC", 0x27n],
  ] as const)("%s", (name, bits) => {
    const { high, low } = format.protections[name];
    expect(fromWords(high, low)).toBe(bits);
  });

  test("_KERNPG_TABLE and _PAGE_TABLE", () => {
    const table = (user: boolean): bigint => {
      const { high, low } = format.makeTable(toPfn(0x12345), user);
      return fromWords(high, low);
    };
    expect(table(false)).toBe(0x12345063n);
    expect(table(true)).toBe(0x12345067n);
  });

  test.each([
    ["ro", "PAGE_KERNEL", "PAGE_KERNEL_RO"],
    ["x", "PAGE_KERNEL_RO", "PAGE_KERNEL_ROX"],
    ["x", "PAGE_KERNEL", "PAGE_KERNEL_EXEC"],
    ["nx", "PAGE_KERNEL_EXEC", "PAGE_KERNEL"],
    ["nx", "PAGE_KERNEL_ROX", "PAGE_KERNEL_RO"],
  ] as const)("the change '%s' makes %s into %s", (attribute, from, to) => {
    const { clear, set } = format.attributes[attribute];
    const { high, low } = format.protections[from];
    expect({ high: (high & ~clear.high) | set.high, low: (low & ~clear.low) | set.low }).toEqual(
      format.protections[to],
    );
  });
});

describe("an entry decodes to the values that it was encoded from", () => {
  const leaves = fc.record({ level: fc.integer({ min: 1, max: 3 }), pfn: pfns, name: fc.constantFrom(...names) });
  const shiftOf = (level: number): number => format.geometry.levels[level]!.shift;
  const aligned = (level: number, pfn: number): number => pfn - (pfn % 2 ** (shiftOf(level) - 12));

  test("a leaf's address, protection, key and type", () => {
    fc.assert(
      fc.property(leaves, fc.nat(15), ({ level, pfn, name }, key) => {
        const first = aligned(level, pfn);
        const leaf = format.makeLeaf(toLevel(level), toPfn(first), format.protections[name]);
        const { high, low } = applyChange(leaf, format.entryKeys!.pkeyChange(toPkey(key)));
        expect(format.pfnOf(high, low)).toBe(first);
        expect(format.entryKeys!.pkeyOf(high, low)).toBe(key);
        expect(format.isPresent(high, low)).toBe(true);
        expect(format.typeOf(toLevel(level), high, low)).toBe(
          name === "PAGE_NONE" ? EntryType.INVALID : EntryType.LEAF,
        );
        expect(format.isUser(high, low)).toBe(/READONLY|SHARED/.test(name));
        expect(format.isWritable(high, low)).toBe(/SHARED|KERNEL$|EXEC$/.test(name) && !name.includes("READONLY"));
      }),
    );
  });

  test("a table's address and type", () => {
    fc.assert(
      fc.property(fc.nat(2), pfns, fc.boolean(), (level, pfn, user) => {
        const entry = format.makeTable(toPfn(pfn), user);
        expect(format.pfnOf(entry.high, entry.low)).toBe(pfn);
        expect(format.typeOf(toLevel(level), entry.high, entry.low)).toBe(EntryType.TABLE);
      }),
    );
  });

  test("an index is nine bits of the address", () => {
    fc.assert(
      fc.property(words, fc.nat(3), (address, level) => {
        const { high, low } = toWords(address);
        expect(format.index(toLevel(level), high, low)).toBe(Number((address >> BigInt(39 - 9 * level)) & 511n));
      }),
    );
  });
});

test("a kernel leaf made invalid ends the walk, is still in use, and becomes valid again", () => {
  for (const name of ["PAGE_KERNEL", "PAGE_KERNEL_RO"] as const) {
    const { invalid, valid } = format.attributes;
    const { high, low } = format.protections[name];
    const off = (low & ~invalid.clear.low) | invalid.set.low;
    expect(format.typeOf(toLevel(3), high, off)).toBe(EntryType.INVALID);
    expect(format.isPresent(high, off)).toBe(true);
    expect(format.typeOf(toLevel(3), high, (off & ~valid.clear.low) | valid.set.low)).toBe(EntryType.LEAF);
  }
  expect(format.isPresent(0, 0)).toBe(false);
});

describe("state of a leaf", () => {
  test("making it writable or read-only keeps the dirty state and never leaves RW=0 with D=1", () => {
    fc.assert(
      fc.property(words, (bits) => {
        for (const change of ["makeWritable", "makeReadOnly", "makeDirty"] as const) {
          const after = changed(bits, change);
          const { high, low } = toWords(after);
          const before = toWords(bits);
          const dirty = change === "makeDirty" || format.isDirty(before.high, before.low);
          expect(format.isDirty(high, low)).toBe(dirty);
          expect((after & RW) === 0n && (after & D) !== 0n).toBe(false);
          expect(after & ~(RW | D | SAVED_DIRTY)).toBe(bits & ~(RW | D | SAVED_DIRTY));
        }
      }),
    );
  });

  test("a dirty page that fork protects holds its dirty bit in bit 58 until it is writable again", () => {
    const shared = changed(0x8000000000000067n, "makeReadOnly");
    expect(shared).toBe(0x8400000000000025n);
    expect(changed(shared, "makeWritable")).toBe(0x8000000000000067n);
    expect(changed(shared, "makeClean")).toBe(0x8000000000000025n);
  });

  test("young and old change only A", () => {
    fc.assert(
      fc.property(words, (bits) => {
        expect(changed(bits, "makeYoung")).toBe(bits | (1n << 5n));
        expect(changed(bits, "makeOld")).toBe(bits & ~(1n << 5n));
      }),
    );
  });

  test("another protection keeps address, key, accessed and dirty state", () => {
    fc.assert(
      fc.property(words, fc.constantFrom(...names), (bits, name) => {
        const before = toWords(bits);
        const { high, low } = format.reprotect(before, format.protections[name]);
        const { high: wantedHigh, low: wantedLow } = format.protections[name];
        expect(format.pfnOf(high, low)).toBe(format.pfnOf(before.high, before.low));
        expect(format.entryKeys!.pkeyOf(high, low)).toBe(format.entryKeys!.pkeyOf(before.high, before.low));
        expect(format.isYoung(high, low)).toBe(format.isYoung(before.high, before.low));
        expect(format.isDirty(high, low)).toBe(format.isDirty(before.high, before.low));
        expect(format.isUser(high, low)).toBe(format.isUser(wantedHigh, wantedLow));
        expect(format.isWritable(high, low)).toBe(format.isWritable(wantedHigh, wantedLow));
        expect(fromWords(high, low) & XD).toBe(fromWords(wantedHigh, wantedLow) & XD);
      }),
    );
  });
});

test("codec and walker decode every entry to the same type", () => {
  const VA = 0x0000123456789ab8n;
  const machine = createMachine({ physicalAddressBits: MAXPHYADDR });
  const { cpu } = machine;
  const { high, low } = toWords(VA);
  const upper = 0x3n;
  // Address bits below 2^24 point to the table of the test; all others are random.
  const entries = words.map((bits) => bits & ~0xfff000n);
  fc.assert(
    fc.property(fc.nat(3), entries, (level, bits) => {
      machine.map(VA, [...Array<bigint>(level).fill(upper), bits], 16);
      const steps: string[] = [];
      cpu.mmu.walk(high, low, (step) => steps.push(step.type));
      const entry = toWords(bits | (16n << 12n));
      const type = format.typeOf(toLevel(level), entry.high, entry.low);
      const refused = cpu.access(high, low, Access.READ, Privilege.KERNEL) !== OK && cpu.fault.kind === 6;
      const taken = refused ? "invalid" : steps[level];
      expect(taken).toBe(type === EntryType.INVALID ? "invalid" : type === EntryType.LEAF ? "leaf" : "table");
    }),
    { numRuns: 3000 },
  );
});

test("a split block keeps its PAT bit, which has another position in a page's entry", () => {
  const [PS, PAT_LARGE, PAT] = [1n << 7n, 1n << 12n, 1n << 7n];
  const block = 0x40000163n | PS;
  const split = (bits: bigint, level: number): bigint => {
    const { high, low } = format.splitLeaf(toWords(bits), toLevel(level));
    return fromWords(high, low);
  };
  expect(split(block | PAT_LARGE, 2)).toBe(0x40000163n | PAT);
  expect(split(block, 2)).toBe(0x40000163n);
  expect(split(block | PAT_LARGE, 1)).toBe(block | PAT_LARGE);
});
