import { registerText, toBytes } from "@kpkeys/core";
import {
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
  toLevel,
  toPfn,
} from "@kpkeys/core/contracts";
import type { KunitTest, Level, PageTableFormat as Format, Pfn, Vpn, Words } from "@kpkeys/core/contracts";

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
export function allocPage(test: KunitTest): Pfn {
  const pfn = test.get(PageAllocator).alloc(0);
  test.assertNotNull(pfn, "Could not allocate a page");
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
 * @param page - the virtual page of the address
 * @param value - what is written
 */
export function expectWritePrevented(
  test: KunitTest,
  root: number,
  name: LevelName,
  page: Vpn,
  value: WrittenValue,
): void {
  const format = test.get(PageTableFormat);
  const entry = test.get(PageTables).entryAt(toPfn(root), levelOf(format, name), page);
  test.assertNotNull(entry, `Failed to get ${name.toUpperCase()}`);

  const { table, index } = entry;
  const address = test.get(LinearMap).address(table, index * 8);
  test.log(`${name}: entry ${index} of the table at ${registerText(address.high, address.low)}`);
  const read = entry.read();
  const written = value === "changed" ? change(format, name, read) : read;
  const errno = test.get(Exceptions).copyToKernelNofault(address, toBytes(written));
  test.expectEq(errno, Errno.EFAULT, `Direct ${name} write wasn't prevented`);
}

/**
 * Another value, as v5 has them: a PTE that allows writing (PTE_WRITE), a table entry with the attributes of kernel data over it
 * (PROT_SECT_NORMAL).
 */
function change(format: Format, name: LevelName, entry: Words): Words {
  if (name === "pte") return format.makeWritable(entry);
  const { PAGE_KERNEL } = format.protections;
  return { high: entry.high | PAGE_KERNEL.high, low: entry.low | PAGE_KERNEL.low };
}

/** A folded level has no table: an entry of it is the entry of the level above. */
function levelOf({ geometry }: Format, name: LevelName): Level {
  const downTo = LEVEL_NAMES.slice(0, LEVEL_NAMES.indexOf(name) + 1);
  return toLevel(geometry.levels.findLastIndex((level) => downTo.includes(level.name)));
}
