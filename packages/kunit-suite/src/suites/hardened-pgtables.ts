import { KpkeysError } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  Exceptions,
  LinearMap,
  MapFlag,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SetMemory,
  Tasks,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { KunitCase, KunitSuite, KunitTest, PluginOptions, Vpn, Words } from "@kpkeys/core/contracts";
import { allocPage, expectWritePrevented, isFolded, skipUnlessSupported } from "./attempt.js";
import type { WrittenValue } from "./attempt.js";

/** A case of {@link hardenedPgtables}, by the name of its function in the kernel. */
export type HardenedPgtablesCase =
  | "write_linear_map_pte"
  | "write_direct_map_pgtables"
  | "write_kernel_image_pud"
  | "write_kernel_vmalloc_pte"
  | "write_early_kernel_vmap_pte"
  | "write_vmemmap_pmd"
  | "write_user_pmd";

/** Options of the suite, in which the versions of the series differ. The defaults are those of v7 and later. */
export interface HardenedPgtablesOptions {
  /** The name that KUnit prints: `Hardened pgtables using kpkeys` up to v5, `kpkeys_hardened_pgtables` since v6. */
  readonly name?: string;
  /** The config symbol: KPKEYS_HARDENED_PGTABLES_TEST up to v3, KPKEYS_HARDENED_PGTABLES_KUNIT_TEST since v4. */
  readonly config?: string;
  /** Its cases, in the order in which they run. */
  readonly cases?: readonly HardenedPgtablesCase[];
  /** The value that a case writes to an entry: a changed one up to v5, the current one since v6. */
  readonly value?: WrittenValue;
}

/** Address of the user mapping: 256 MiB, a user address on every architecture. */
const USER_ADDRESS = 0x1000_0000;

/** A case without the options of the suite. */
interface CaseBody {
  readonly run: (test: KunitTest, value: WrittenValue) => void;
  /** The symbol of its `#ifdef`. */
  readonly config?: string;
}

/** The cases of all versions. */
const CASES: Readonly<Record<HardenedPgtablesCase, CaseBody>> = {
  write_linear_map_pte: { run: writeLinearMapPte },
  write_direct_map_pgtables: { run: writeDirectMapPgtables },
  write_kernel_image_pud: { run: writeKernelImagePud },
  write_kernel_vmalloc_pte: { run: writeKernelVmallocPte },
  write_early_kernel_vmap_pte: { run: writeEarlyKernelVmapPte, config: "ARM64" },
  write_vmemmap_pmd: { run: writeVmemmapPmd },
  write_user_pmd: { run: writeUserPmd },
};

const NEWEST: Required<HardenedPgtablesOptions> = {
  name: "kpkeys_hardened_pgtables",
  config: "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST",
  cases: [
    "write_direct_map_pgtables",
    "write_kernel_image_pud",
    "write_kernel_vmalloc_pte",
    "write_vmemmap_pmd",
    "write_user_pmd",
  ],
  value: "same",
};

/**
 * The suite of mm/tests/kpkeys_hardened_pgtables_kunit.c: an entry of a table page of each source cannot be written. No case
 * writes a PGD, which may still be writable while built-in suites run.
 *
 * @param options - {@link HardenedPgtablesOptions}
 * @throws KpkeysError ERR_SPEC if an option or a case is unknown or malformed
 */
export function hardenedPgtables(options: PluginOptions = {}): KunitSuite {
  const { name, config, cases, value } = readOptions(options);
  return {
    name,
    config,
    cases: cases.map((each): KunitCase => {
      const { run, ...ifdef } = CASES[each];
      return {
        name: each,
        ...ifdef,
        run(test) {
          skipUnlessSupported(test);
          run(test, value);
        },
      };
    }),
  };
}

function readOptions(options: PluginOptions): Required<HardenedPgtablesOptions> {
  const forms: Record<
    keyof HardenedPgtablesOptions,
    readonly [isValid: (value: unknown) => boolean, expected: string]
  > = {
    name: [isText, "a name"],
    config: [isText, "a config symbol"],
    cases: [
      (value) => Array.isArray(value) && value.every((each) => isText(each) && Object.hasOwn(CASES, each)),
      `a list of ${Object.keys(CASES).join(", ")}`,
    ],
    value: [(value) => value === "same" || value === "changed", "'same' or 'changed'"],
  };
  for (const [option, value] of Object.entries(options)) {
    const [isValid, expected] = Object.hasOwn(forms, option)
      ? forms[option as keyof typeof forms]
      : [() => false, `one of the options ${Object.keys(forms).join(", ")}`];
    if (isValid(value)) continue;
    throw new KpkeysError("ERR_SPEC", `${option} is ${JSON.stringify(value)}`, {
      where: `options of the suite ${NEWEST.name}`,
      expected,
    });
  }
  return { ...NEWEST, ...options };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/**
 * Early tables: those of the kernel image's mapping of `init_mm`, a variable, which PTEs map. Up to v3 the target was code, which
 * blocks may map.
 */
function writeLinearMapPte(test: KunitTest, value: WrittenValue): void {
  expectWritePrevented(test, test.get(PageTables).root, "pte", pageAt(test, test.get(LinearMap).imageAddress()), value);
}

/** Tables from memblock, and from the buddy allocator after a split of the linear map. */
function writeDirectMapPgtables(test: KunitTest, value: WrittenValue): void {
  const pfn = allocPage(test);
  test.defer(() => {
    test.get(PageAllocator).free(pfn, 0);
  });
  // A change of one page splits a block, so that a PTE maps the page.
  const setMemory = test.get(SetMemory);
  test.assertEq(setMemory.setDirectMapInvalid(pfn), 0, "Could not invalidate the linear mapping");
  test.assertEq(setMemory.setDirectMapDefault(pfn), 0, "Could not restore the linear mapping");

  const linearMap = test.get(LinearMap);
  const page = linearMap.pageOf(pfn);
  for (const level of ["p4d", "pud", "pmd", "pte"] as const) {
    if (!isFolded(test, level)) expectWritePrevented(test, test.get(PageTables).root, level, page, value);
  }
}

/** The virtual page of an address. */
function pageAt(test: KunitTest, address: Words): Vpn {
  return pageOf(address, test.get(PageTableFormat).geometry.pageShift);
}

/** Static tables. Blocks may map the image, but not above the PUD. */
function writeKernelImagePud(test: KunitTest, value: WrittenValue): void {
  expectWritePrevented(test, test.get(PageTables).root, "pud", pageAt(test, test.get(LinearMap).imageAddress()), value);
}

/** Kernel tables allocated after boot. */
function writeKernelVmallocPte(test: KunitTest, value: WrittenValue): void {
  const vmalloc = test.get(Vmalloc);
  const page = vmalloc.alloc(1);
  test.assertNotNull(page, "Could not allocate by vmalloc");
  test.defer(() => {
    vmalloc.free(page);
  });
  expectWritePrevented(test, test.get(PageTables).root, "pte", page, value);
}

/** Kernel tables allocated before the linear map could be split: those of the IRQ stack of the current CPU. */
function writeEarlyKernelVmapPte(test: KunitTest, value: WrittenValue): void {
  const page = test.get(Exceptions).irqStackPage(0);
  test.assertNotNull(page, "Failed to get IRQ stack");
  expectWritePrevented(test, test.get(PageTables).root, "pte", page, value);
}

/** Tables of the vmemmap: those of the struct page of any page. */
function writeVmemmapPmd(test: KunitTest, value: WrittenValue): void {
  const pfn = allocPage(test);
  const structPage = test.get(LinearMap).structPage(pfn);
  test.get(PageAllocator).free(pfn, 0);
  expectWritePrevented(test, test.get(PageTables).root, "pmd", pageAt(test, structPage), value);
}

/** User tables: those of a task with a new address space. */
function writeUserPmd(test: KunitTest, value: WrittenValue): void {
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
  const page = pageAt(test, { high: 0, low: USER_ADDRESS });
  test.assertEq(spaces.mmap(mm, page, 1, Prot.READ, flags), 0, "Could not create userspace mm");
  const faults = spaces.touch(mm, page, Access.READ, Privilege.USER);
  test.assertNotNull(faults, "Could not create userspace mm");
  expectWritePrevented(test, mm.root, "pmd", page, value, mm.rootIndex);
}
