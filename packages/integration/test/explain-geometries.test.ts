import { ARM64_GEOMETRIES, createFormat } from "@kpkeys/arch-arm64-poe";
import { createPageTableFormat, X86_GEOMETRIES } from "@kpkeys/arch-x86-pks";
import { toPfn, toLevel } from "@kpkeys/core/contracts";
import type { Geometry, PageTableFormat, Words } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explainLog } from "./explainers.js";

const NAMES = ["pgd", "p4d", "pud", "pmd", "pte"];

/** A fault of the kernel, as it is made up. */
interface MadeUp {
  /** An address of the kernel's half. */
  readonly address: bigint;
  /** The level at which the walk ends. */
  readonly end: number;
  /** Whether it ends with a leaf, which the kernel must not write; else nothing is there. */
  readonly leaf: boolean;
  /** The entries down to that level. */
  readonly entries: readonly bigint[];
}

function madeUp(geometry: Geometry, format: PageTableFormat, outputBits: number): fc.Arbitrary<MadeUp> {
  const { levels, addressBits, splitRoots, pageShift } = geometry;
  const offset = fc.bigInt({ min: 0n, max: 2n ** BigInt(splitRoots ? addressBits : addressBits - 1) - 1n });
  const frame = fc.maxSafeNat().map((value) => value % 2 ** (outputBits - pageShift));
  const frames = fc.uniqueArray(frame, { minLength: levels.length, maxLength: levels.length });
  return fc.record({ offset, end: fc.nat(levels.length - 1), leaf: fc.boolean(), frames }).map((made) => {
    const leaf = made.leaf && levels[made.end]!.leaf;
    const entries = made.frames.slice(0, made.end + 1).map((pfn, level) => {
      const span = 2 ** (levels[level]!.shift - pageShift);
      const first = toPfn(pfn - (pfn % span));
      const last = (): Words =>
        leaf ? format.makeLeaf(toLevel(level), first, format.protections.PAGE_KERNEL_RO) : { high: 0, low: 0 };
      const { high, low } = level < made.end ? format.makeTable(toPfn(pfn), false) : last();
      return fromWords(high, low);
    });
    return { address: BigInt.asUintN(64, -made.offset - 1n), end: made.end, leaf, entries };
  });
}

/** The entries by all names that Linux prints: folded levels repeat the one that they are folded into. */
function printed({ levels }: Geometry, entries: readonly bigint[]): readonly (readonly [string, bigint])[] {
  return entries.flatMap((entry, level) => {
    const from = NAMES.indexOf(levels[level]!.name);
    const to = NAMES.indexOf(levels[level + 1]?.name ?? "");
    return NAMES.slice(from, to < 0 ? undefined : to).map((name) => [name, entry] as const);
  });
}

const hex = (value: bigint, digits: number): string => value.toString(16).padStart(digits, "0");

describe("a fault in the form of arch/arm64/mm/fault.c is explained with every page size and width", () => {
  test.each(ARM64_GEOMETRIES.map((geometry) => ({ geometry, pages: 2 ** (geometry.pageShift - 10) })))(
    "$pages KiB, $geometry.addressBits bits",
    ({ geometry, pages }) => {
      const { addressBits, firstLevel, outputBits } = geometry;
      fc.assert(
        fc.property(madeUp(geometry, createFormat(geometry), outputBits), ({ address, end, leaf, entries }) => {
          const level = firstLevel + end;
          const status = leaf ? 0xc + level : level < 0 ? 0x2b : 4 + level;
          const log = [
            `Unable to handle kernel paging request at virtual address ${hex(address, 16)}`,
            "Mem abort info:",
            `  ESR = 0x${hex(0x96000040n + BigInt(status), 16)}`,
            `swapper pgtable: ${pages}k pages, ${addressBits}-bit VAs, pgdp=0000000041b30000`,
            `[${hex(address, 16)}] ${printed(geometry, entries)
              .map(([name, entry]) => `${name}=${hex(entry, 16)}`)
              .join(", ")}`,
          ].join("\n");
          const { verdict, geometry: found } = explainLog(log);
          expect(verdict, log).toMatchObject({ agrees: true, decidedBy: leaf ? "base" : "translation" });
          expect(found).toEqual({
            pageSize: pages * 1024,
            vaBits: addressBits,
            levels: geometry.levels.map(({ name }) => name),
          });
        }),
      );
    },
  );
});

describe("a fault in the form of arch/x86/mm/fault.c is explained with every number of levels", () => {
  test.each(X86_GEOMETRIES.map((geometry) => ({ geometry, levels: geometry.levels.length })))(
    "$levels levels",
    ({ geometry, levels }) => {
      const la57 = levels === 5 ? 0x1000n : 0n;
      fc.assert(
        fc.property(madeUp(geometry, createPageTableFormat(46, geometry), 46), ({ address, leaf, entries }) => {
          const log = [
            `BUG: unable to handle page fault for address: ${hex(address, 16)}`,
            "#PF: supervisor write access in kernel mode",
            `#PF: error_code(0x000${leaf ? 3 : 2}) - ${leaf ? "permissions violation" : "not-present page"}`,
            printed(geometry, entries)
              .map(([name, entry]) => `${name.toUpperCase()} ${entry.toString(16)}`)
              .join(" "),
            `CR2: ${hex(address, 16)} CR3: 0000000005a00000 CR4: ${hex(0x1770ef0n | la57, 16)}`,
          ].join("\n");
          const { verdict, geometry: found } = explainLog(log);
          expect(verdict, log).toMatchObject({ agrees: true, decidedBy: leaf ? "base" : "translation" });
          expect(found?.levels).toHaveLength(levels);
        }),
      );
    },
  );
});
