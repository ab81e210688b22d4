import {
  Access,
  AddressSpaces,
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SetMemory,
  Tasks,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Geometry, KunitSuite, KunitTest, Words } from "@kpkeys/core/contracts";
import { addressText } from "@kpkeys/kernel";

/** Levels by Linux's names, the top one first; `p4d` and `pud` may be folded away. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;
type LevelName = (typeof LEVEL_NAMES)[number];

/** Where the user mapping is: any page of user space will do, and 256 MiB is one on every architecture. */
const USER_ADDRESS = 0x1000_0000;

/**
 * The suite of mm/tests/kpkeys_hardened_pgtables_kunit.c as it stands since v7 of the series: an entry of a page-table page of
 * each source cannot be written, not even with the value that it has. No case writes a PGD, which may still be writable while
 * built-in suites run.
 */
export const hardenedPgtables: KunitSuite = {
  name: "kpkeys_hardened_pgtables",
  cases: [
    { name: "write_direct_map_pgtables", run: writeDirectMapPgtables },
    { name: "write_kernel_image_pud", run: writeKernelImagePud },
    { name: "write_kernel_vmalloc_pte", run: writeKernelVmallocPte },
    { name: "write_vmemmap_pmd", run: writeVmemmapPmd },
    { name: "write_user_pmd", run: writeUserPmd },
  ],
};

/** Tables from memblock, and from the buddy allocator where the linear map had to be split. */
function writeDirectMapPgtables(test: KunitTest): void {
  skipUnlessSupported(test);
  const pfn = allocPage(test);
  test.defer(() => {
    test.get(PageAllocator).free(pfn, 0);
  });
  // Changing one page makes certain that it is mapped by a PTE.
  const setMemory = test.get(SetMemory);
  test.assertEq(setMemory.setDirectMapInvalid(pfn), 0, "Could not invalidate the linear mapping");
  test.assertEq(setMemory.setDirectMapDefault(pfn), 0, "Could not restore the linear mapping");

  const linearMap = test.get(LinearMap);
  const address = { high: linearMap.addressHigh(pfn), low: linearMap.addressLow(pfn) };
  const { levels } = test.get(PageTableFormat).geometry;
  for (const level of ["p4d", "pud", "pmd", "pte"] as const) {
    const folded = !levels.some(({ name }) => name === level);
    if (!folded) expectWritePrevented(test, test.get(PageTables).root, level, address);
  }
}

/** Static tables. The image may be mapped by blocks, but not above the PUD. */
function writeKernelImagePud(test: KunitTest): void {
  skipUnlessSupported(test);
  expectWritePrevented(test, test.get(PageTables).root, "pud", test.get(LinearMap).imageAddress());
}

/** Kernel tables made after boot. */
function writeKernelVmallocPte(test: KunitTest): void {
  skipUnlessSupported(test);
  const vmalloc = test.get(Vmalloc);
  const page = vmalloc.alloc(1);
  test.assertNe(page, -1, "Could not allocate by vmalloc");
  test.defer(() => {
    vmalloc.free(page);
  });
  const { pageShift } = test.get(PageTableFormat).geometry;
  expectWritePrevented(test, test.get(PageTables).root, "pte", addressOf(page, pageShift));
}

/** Tables of the vmemmap, found by the struct page of a page that is not even needed. */
function writeVmemmapPmd(test: KunitTest): void {
  skipUnlessSupported(test);
  const pfn = allocPage(test);
  const structPage = test.get(LinearMap).structPage(pfn);
  test.get(PageAllocator).free(pfn, 0);
  expectWritePrevented(test, test.get(PageTables).root, "pmd", structPage);
}

/** User tables: the thread that runs the case gets an address space for the time being. */
function writeUserPmd(test: KunitTest): void {
  skipUnlessSupported(test);
  const spaces = test.get(AddressSpaces);
  const tasks = test.get(Tasks);
  const mm = spaces.create();
  const task = tasks.create(mm);
  const previous = tasks.current;
  test.defer(() => {
    tasks.switchTo(previous);
    tasks.exit(task);
  });
  tasks.switchTo(task);

  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  const page = USER_ADDRESS >> test.get(PageTableFormat).geometry.pageShift;
  test.assertEq(spaces.mmap(mm, page, 1, Prot.READ, flags), 0, "Could not create userspace mm");
  const address: Words = { high: 0, low: USER_ADDRESS };
  const faults = spaces.touch(mm, address.high, address.low, Access.READ, Privilege.USER);
  test.assertNe(faults, Errno.EFAULT, "Could not create userspace mm");
  expectWritePrevented(test, mm.root, "pmd", address);
}

function skipUnlessSupported(test: KunitTest): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
}

function allocPage(test: KunitTest): number {
  const pfn = test.get(PageAllocator).alloc(0);
  test.assertNe(pfn, -1, "Could not allocate a page");
  return pfn;
}

/** Writes the entry that translates an address, at one level, with the value that it has: through the table's linear address. */
function expectWritePrevented(test: KunitTest, root: number, name: LevelName, { high, low }: Words): void {
  const format = test.get(PageTableFormat);
  const tables = test.get(PageTables);
  const linearMap = test.get(LinearMap);
  const level = levelOf(name, format.geometry.levels);
  const table = tables.tableAt(root, level, high, low);
  test.assertNe(table, -1, `Failed to get ${name.toUpperCase()}`);

  const index = format.index(level, high, low);
  const entryHigh = linearMap.addressHigh(table);
  const entryLow = linearMap.addressLow(table) | (index * 8);
  test.log(`${name}: entry ${index} of the table at 0x${addressText(entryHigh, entryLow)}`);
  tables.read(table, index);
  const errno = test.get(Exceptions).copyToKernelNofault(entryHigh, entryLow, tables.entryHigh, tables.entryLow);
  test.expectEq(errno, Errno.EFAULT, `Direct ${name} write wasn't prevented`);
}

/** A folded level has no table: an entry of it is the entry of the level above. */
function levelOf(name: LevelName, levels: Geometry["levels"]): number {
  const downTo = LEVEL_NAMES.slice(0, LEVEL_NAMES.indexOf(name) + 1);
  return levels.findLastIndex((level) => downTo.includes(level.name));
}

/** The address of a virtual page: its number is below 2^52, so it is split without losing bits. */
function addressOf(page: number, pageShift: number): Words {
  return { high: Math.floor((page * 2 ** pageShift) / 2 ** 32) | 0, low: page << pageShift };
}
