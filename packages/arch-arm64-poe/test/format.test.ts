import fc from "fast-check";
import { applyChange, Access, EntryType, OK, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { ProtectionName } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { ARM64_FORMAT } from "../src/index.js";
import { createMachine, high, join, low, UPPER } from "./machine.js";

const format = ARM64_FORMAT;
const names = Object.keys(format.protections) as ProtectionName[];
const pfn = fc.nat(2 ** 36 - 1);
const name = fc.constantFrom(...names);
const key = fc.nat(7);

/** A page of a protection, with a key and in any state. */
const page = fc.record({ pfn, name, key, young: fc.boolean(), dirty: fc.boolean() }).map((made) => {
  const plain = format.makeLeaf(toLevel(3), toPfn(made.pfn), format.protections[made.name]);
  const leaf = applyChange(plain, format.entryKeys!.pkeyChange(toPkey(made.key)));
  const aged = made.young ? leaf : format.makeOld(leaf);
  return { ...made, entry: made.dirty ? format.makeDirty(aged) : format.makeClean(aged) };
});

describe("an entry", () => {
  test("decodes to the values that it was encoded from", () => {
    fc.assert(
      fc.property(page, ({ entry, ...made }) => {
        expect(format.pfnOf(entry.high, entry.low)).toBe(made.pfn);
        expect(format.entryKeys!.pkeyOf(entry.high, entry.low)).toBe(made.key);
        expect(format.isYoung(entry.high, entry.low)).toBe(made.young);
        expect(format.isDirty(entry.high, entry.low)).toBe(made.dirty);
        expect(format.isPresent(entry.high, entry.low)).toBe(true);
        const isUser = !made.name.startsWith("PAGE_KERNEL") && made.name !== "PAGE_NONE";
        expect(format.isUser(entry.high, entry.low)).toBe(isUser);
        expect(format.typeOf(toLevel(3), entry.high, entry.low)).toBe(
          made.name === "PAGE_NONE" ? EntryType.INVALID : EntryType.LEAF,
        );
      }),
    );
  });

  test("is a table, a block or a page by its level and bits 1 and 0", () => {
    const types = [0, 1, 2, 3].map((level) => [0, 1, 2, 3].map((bits) => format.typeOf(toLevel(level), -1, bits | ~3)));
    const { INVALID, TABLE, LEAF } = EntryType;
    expect(types).toEqual([
      [INVALID, INVALID, INVALID, TABLE],
      [INVALID, LEAF, INVALID, TABLE],
      [INVALID, LEAF, INVALID, TABLE],
      [INVALID, INVALID, INVALID, LEAF],
    ]);
    for (const user of [true, false]) {
      const entry = format.makeTable(toPfn(2 ** 36 - 1), user);
      expect([format.typeOf(toLevel(0), entry.high, entry.low), format.pfnOf(entry.high, entry.low)]).toEqual([
        TABLE,
        2 ** 36 - 1,
      ]);
    }
    for (const level of [1, 2]) {
      const entry = format.makeLeaf(toLevel(level), toPfn(0x40000), format.protections.PAGE_KERNEL);
      expect(format.typeOf(toLevel(level), entry.high, entry.low)).toBe(LEAF);
    }
    expect(format.isPresent(0, 0)).toBe(false);
  });

  test("keeps address, key, young and dirty through every other change", () => {
    const what = fc.constantFrom("makeWritable", "makeReadOnly", "reprotect");
    const change = fc.tuple(what, fc.constantFrom(...names.filter((each) => !each.startsWith("PAGE_KERNEL"))));
    fc.assert(
      fc.property(page, fc.array(change, { maxLength: 6 }), ({ entry: first, ...made }, changes) => {
        let entry = first;
        for (const [kind, other] of changes) {
          entry = kind === "reprotect" ? format.reprotect(entry, format.protections[other]) : format[kind](entry);
          const isWritable = kind === "makeWritable" || (kind === "reprotect" && other.startsWith("PAGE_SHARED"));
          expect(format.isWritable(entry.high, entry.low)).toBe(isWritable);
          expect(format.isDirty(entry.high, entry.low)).toBe(made.dirty);
          expect(format.isYoung(entry.high, entry.low)).toBe(made.young);
          expect(format.entryKeys!.pkeyOf(entry.high, entry.low)).toBe(made.key);
          expect(format.pfnOf(entry.high, entry.low)).toBe(made.pfn);
        }
      }),
    );
  });

  test("is made dirty by the hardware in the bit that the kernel reads", () => {
    const machine = createMachine();
    const entry = format.makeOld(format.makeLeaf(toLevel(3), toPfn(0x80010), format.protections.PAGE_SHARED));
    machine.map(0x1000n, [...UPPER, join(entry)]);
    const leaf = (): [number, number] => {
      const { high, low } = machine.memory.read(toPfn(0x80003), 1);
      return [high, low];
    };
    expect([format.isYoung(...leaf()), format.isDirty(...leaf())]).toEqual([false, false]);
    expect(machine.cpu.access(0, 0x1000, Access.READ, Privilege.USER)).toBe(OK);
    expect([format.isYoung(...leaf()), format.isDirty(...leaf())]).toEqual([true, false]);
    expect(machine.cpu.access(0, 0x1000, Access.WRITE, Privilege.USER)).toBe(OK);
    expect([format.isYoung(...leaf()), format.isDirty(...leaf())]).toEqual([true, true]);
  });
});

// PIIndex by page type, from asm/pgtable-prot.h.
test.each([
  ["PAGE_KERNEL", 0xe],
  ["PAGE_KERNEL_RO", 0xc],
  ["PAGE_KERNEL_EXEC", 0xa],
  ["PAGE_KERNEL_ROX", 0x8],
  ["PAGE_SHARED", 0xf],
  ["PAGE_SHARED_EXEC", 0x7],
  ["PAGE_READONLY", 0xd],
  ["PAGE_READONLY_EXEC", 0x5],
] as const)("%s has the permission index %i", (protection, index) => {
  const value = join(format.protections[protection]);
  const bit = (position: bigint): number => Number((value >> position) & 1n);
  expect((bit(54n) << 3) | (bit(53n) << 2) | (bit(51n) << 1) | bit(6n)).toBe(index);
});

// The rights of each in Linux. The kernel accesses user memory only by unprivileged accesses (PAN).
test.each([
  ["PAGE_KERNEL", "rw", "", ""],
  ["PAGE_KERNEL_RO", "r", "", ""],
  ["PAGE_KERNEL_EXEC", "rwx", "", ""],
  ["PAGE_KERNEL_ROX", "rx", "", ""],
  ["PAGE_SHARED", "", "rw", "rw"],
  ["PAGE_SHARED_EXEC", "", "rwx", "rw"],
  ["PAGE_READONLY", "", "r", "r"],
  ["PAGE_READONLY_EXEC", "", "rx", "r"],
  ["PAGE_NONE", "", "", ""],
] as const)("%s gives the kernel '%s', the user '%s' and copies between them '%s'", (protection, ...expected) => {
  for (const options of [{ pkeys: true }, { pkeys: false }]) {
    const machine = createMachine(options);
    const entry = format.makeLeaf(toLevel(3), toPfn(0x80010), format.protections[protection]);
    const accesses = { r: Access.READ, w: Access.WRITE, x: Access.FETCH };
    const rights = [Privilege.KERNEL, Privilege.USER, Privilege.UACCESS].map((privilege) =>
      Object.entries(accesses)
        .filter(([, access]) => privilege !== Privilege.UACCESS || access !== Access.FETCH)
        .filter(([, access]) => {
          machine.map(0x7000n, [...UPPER, join(entry)]);
          return machine.cpu.access(high(0x7000n), low(0x7000n), access, privilege) === OK;
        })
        .map(([letter]) => letter)
        .join(""),
    );
    expect(rights).toEqual(expected);
  }
});

test.each([
  ["ro", "PAGE_KERNEL", "r"],
  ["rw", "PAGE_KERNEL_RO", "rw"],
  ["nx", "PAGE_KERNEL_EXEC", "rw"],
  ["x", "PAGE_KERNEL_RO", "rx"],
  ["invalid", "PAGE_KERNEL", ""],
  ["valid", "PAGE_KERNEL", "rw"],
] as const)("set_memory_%s makes %s allow '%s'", (attribute, protection, expected) => {
  const machine = createMachine();
  const made = format.makeLeaf(toLevel(3), toPfn(0x80010), format.protections[protection]);
  const entry = attribute === "valid" ? applyChange(made, format.attributes.invalid) : made;
  const leaf = join(applyChange(entry, format.attributes[attribute]));
  expect(format.isPresent(high(leaf), low(leaf))).toBe(true);
  const rights = [
    ["r", Access.READ],
    ["w", Access.WRITE],
    ["x", Access.FETCH],
  ] as const;
  const allowed = rights.filter(([, access]) => {
    machine.map(0x7000n, [...UPPER, leaf]);
    return machine.cpu.access(0, 0x7000, access, Privilege.KERNEL) === OK;
  });
  expect(allowed.map(([letter]) => letter).join("")).toBe(expected);
});

test("the indices of an address have nine bits each, from bit 47 down", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }), fc.boolean(), (offset, kernel) => {
      const va = kernel ? offset | 0xffff000000000000n : offset;
      const indices = [0, 1, 2, 3].map((level) => BigInt(format.index(toLevel(level), high(va), low(va))));
      const [pgd, pud, pmd, pte] = indices as [bigint, bigint, bigint, bigint];
      expect((pgd << 39n) | (pud << 30n) | (pmd << 21n) | (pte << 12n)).toBe(offset & ~0xfffn);
    }),
  );
});
