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

/** Linux's names of the levels, the top one first. `p4d` and `pud` may be folded. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;

/** Linux's name of a level. */
export type LevelName = (typeof LEVEL_NAMES)[number];

/** The value that a case writes to an entry: the current one (since v6), or a changed one (up to v5). */
export type WrittenValue = "same" | "changed";

/**
 * Skips the case if the CPU has no kernel pkeys: the first statement of every case.
 * @param test - the test of the case
 */
export function skipUnlessSupported(test: KunitTest): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
}

/**
 * Allocates a page, and ends the case if that fails.
 * @param test - the test of the case
 * @returns its page-frame number
 */
export function allocPage(test: KunitTest): Pfn {
  const pfn = test.get(PageAllocator).alloc(0);
  test.assertNotNull(pfn, "Could not allocate a page");
  return pfn;
}

/**
 * Whether a level is folded: the geometry has no tables of it.
 * @param test - the test of the case
 * @param name - Linux's name of the level
 */
export function isFolded(test: KunitTest, name: LevelName): boolean {
  return !test.get(PageTableFormat).geometry.levels.some((level) => level.name === name);
}

/**
 * Writes the entry of an address at a level through the linear map, and expects -EFAULT.
 * @param test - the test of the case
 * @param root - page-frame number of the top-level table
 * @param name - Linux's name of the level
 * @param page - the virtual page of the address
 * @param value - the value to write
 * @param rootIndex - index of the root's first entry in its page; 0 if left out
 */
export function expectWritePrevented(
  test: KunitTest,
  root: number,
  name: LevelName,
  page: Vpn,
  value: WrittenValue,
  rootIndex = 0,
): void {
  const format = test.get(PageTableFormat);
  const entry = test.get(PageTables).entryAt(toPfn(root), levelOf(format, name), page, rootIndex);
  test.assertNotNull(entry, `Failed to get ${name.toUpperCase()}`);

  const { table, index } = entry;
  const address = test.get(LinearMap).address(table, index * 8);
  test.log(`${name}: entry ${index} of the table at ${registerText(address.high, address.low)}`);
  const read = entry.read();
  const written = value === "changed" ? change(format, name, read) : read;
  const bytes = toBytes(written, format.geometry.entryByteOrder ?? "little");
  const errno = test.get(Exceptions).copyToKernelNofault(address, bytes);
  test.expectEq(errno, Errno.EFAULT, `Direct ${name} write wasn't prevented`);
}

/**
 * The changed value of v5: a PTE with PTE_WRITE, a table entry with the attributes of kernel data (PROT_SECT_NORMAL).
 */
function change(format: Format, name: LevelName, entry: Words): Words {
  if (name === "pte") return format.makeWritable(entry);
  const { PAGE_KERNEL } = format.protections;
  return { high: entry.high | PAGE_KERNEL.high, low: entry.low | PAGE_KERNEL.low };
}

/** The level by its name. The entry of a folded level is the entry of the level above. */
function levelOf({ geometry }: Format, name: LevelName): Level {
  const downTo = LEVEL_NAMES.slice(0, LEVEL_NAMES.indexOf(name) + 1);
  return toLevel(geometry.levels.findLastIndex((level) => downTo.includes(level.name)));
}
