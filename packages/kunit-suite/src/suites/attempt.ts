import {
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
} from "@kpkeys/core/contracts";
import type { KunitTest, PageTableFormat as Format, Words } from "@kpkeys/core/contracts";
import { addressText } from "@kpkeys/kernel";

/** Levels by Linux's names, the top one first; `p4d` and `pud` may be folded away. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;

/** One of them. */
export type LevelName = (typeof LEVEL_NAMES)[number];

/** What is written over an entry: the value that it has (since v6), or another one (up to v5). */
export type WrittenValue = "same" | "changed";

/**
 * The first statement of every case.
 * @param test - the case's
 */
export function skipUnlessSupported(test: KunitTest): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
}

/**
 * Allocates a page.
 * @param test - the case's, which ends if there is none
 * @returns its page-frame number
 */
export function allocPage(test: KunitTest): number {
  const pfn = test.get(PageAllocator).alloc(0);
  test.assertNe(pfn, -1, "Could not allocate a page");
  return pfn;
}

/**
 * Whether a geometry has no tables of a level.
 * @param test - the case's
 * @param name - Linux's name of the level
 */
export function isFolded(test: KunitTest, name: LevelName): boolean {
  return !test.get(PageTableFormat).geometry.levels.some((level) => level.name === name);
}

/**
 * Writes the entry that translates an address, at one level, through the linear address of its table, and expects -EFAULT.
 * @param test - the case's
 * @param root - page-frame number of the top-level table
 * @param name - Linux's name of the level
 * @param address - the address
 * @param value - what is written
 */
export function expectWritePrevented(
  test: KunitTest,
  root: number,
  name: LevelName,
  address: Words,
  value: WrittenValue,
): void {
  const format = test.get(PageTableFormat);
  const tables = test.get(PageTables);
  const linearMap = test.get(LinearMap);
  const level = levelOf(format, name);
  const table = tables.tableAt(root, level, address.high, address.low);
  test.assertNe(table, -1, `Failed to get ${name.toUpperCase()}`);

  const index = format.index(level, address.high, address.low);
  const high = linearMap.addressHigh(table);
  const low = linearMap.addressLow(table) | (index * 8);
  test.log(`${name}: entry ${index} of the table at 0x${addressText(high, low)}`);
  tables.read(table, index);
  const entry = { high: tables.entryHigh, low: tables.entryLow };
  if (value === "changed") change(format, name, entry);
  const errno = test.get(Exceptions).copyToKernelNofault(high, low, entry.high, entry.low);
  test.expectEq(errno, Errno.EFAULT, `Direct ${name} write wasn't prevented`);
}

/**
 * Another value, as v5 has them: a PTE that allows writing (PTE_WRITE), a table entry with the attributes of kernel data over it
 * (PROT_SECT_NORMAL).
 */
function change(format: Format, name: LevelName, entry: { high: number; low: number }): void {
  if (name === "pte") {
    format.makeWritable(entry);
    return;
  }
  const { PAGE_KERNEL } = format.protections;
  entry.high |= PAGE_KERNEL.high;
  entry.low |= PAGE_KERNEL.low;
}

/** A folded level has no table: an entry of it is the entry of the level above. */
function levelOf({ geometry }: Format, name: LevelName): number {
  const downTo = LEVEL_NAMES.slice(0, LEVEL_NAMES.indexOf(name) + 1);
  return geometry.levels.findLastIndex((level) => downTo.includes(level.name));
}

/**
 * The address of a virtual page: its number is below 2^52, so it is split without losing bits.
 * @param test - the case's
 * @param page - its number
 */
export function addressOf(test: KunitTest, page: number): Words {
  const { pageShift } = test.get(PageTableFormat).geometry;
  return { high: Math.floor((page * 2 ** pageShift) / 2 ** 32) | 0, low: page << pageShift };
}
