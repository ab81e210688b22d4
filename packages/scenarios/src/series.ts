import type { KunitOptions, PluginOptions, TableSource } from "@kpkeys/core/contracts";
import type { KernelPolicies } from "@kpkeys/kernel";

/** A writable mapping of table pages that a version of the series documents. Reports compare their findings with it; no machine reads it. */
export interface DocumentedGap {
  /** Source of the pages. */
  readonly source: TableSource;
  /** The writable mapping: the linear map, or another mapping of the kernel. */
  readonly mapping: "linear" | "other";
  /** Whether every machine has the gap after boot; if false, it depends on the workload or the memory map. */
  readonly fromBoot: boolean;
}

/** A version of the kpkeys series: plain JSON. */
export interface Series {
  /** Options of plugins by plugin id; plugins without an entry have their defaults. */
  readonly options: Readonly<Record<string, PluginOptions>>;
  /** Policies of the kernel. */
  readonly kernel: KernelPolicies;
  /** The form of KUnit suites by suite name; suites without an entry have their newest form. */
  readonly kunit: KunitOptions;
  /** Form of the API: level and register value, context and register value, or context and state. */
  readonly dialect: "level" | "context" | "state";
  /** The gaps that the version documents. */
  readonly documentedGaps: readonly DocumentedGap[];
}

/** Entering a context writes the key register even if its value does not change. */
const EQUAL_WRITES_MADE = { "arm64-poe": { skipEqualWrites: false }, "x86-pks": { skipEqualWrites: false } };

/** Entering a context skips the write if the value does not change. */
const EQUAL_WRITES_SKIPPED = { "arm64-poe": { skipEqualWrites: true }, "x86-pks": { skipEqualWrites: true } };

/**
 * Static tables have the key only in the linear map. Up to v5 the walk uses the linear address of each table, since v6 the hook does
 * (patch "arm64: kpkeys: Protect init_pg_dir"). The image maps the same pages writable, without the key.
 */
const IMAGE_ALIAS: DocumentedGap = { source: "static", mapping: "other", fromBoot: true };

/**
 * The hook of v6 to v9 sets the key on the pool of tables that map the image. Those of the fixmap are another pool (`bm_pte`), which has
 * no key in either mapping: the note in v6's patch, "may not be comprehensive", and the cover letter of "arm64: Unmap linear alias of
 * kernel data/bss" name it. The walk up to v5 reaches them.
 */
const FIXMAP_TABLES: DocumentedGap = { source: "static", mapping: "linear", fromBoot: true };

/** The suite mm/tests/kpkeys_hardened_pgtables_kunit.c, by its newest name. */
const SUITE = "kpkeys_hardened_pgtables";

/** Options of page-table hardening in v3. */
const PGTABLES_V3: PluginOptions = {
  batching: false,
  staticAliases: "linear",
  tagging: "ctor-missing-kernel",
  early: "late-walk",
};

/** The suite of page-table hardening in v3. */
const KUNIT_V3: PluginOptions = {
  name: "Hardened pgtables using kpkeys",
  config: "KPKEYS_HARDENED_PGTABLES_TEST",
  cases: ["write_linear_map_pte", "write_user_pmd"],
  value: "changed",
};

/**
 * RFC v3 (February 2025). Its changelog names `kpkeys_set_level()` and a return value for "nothing was written"; arm64 always writes.
 * No patch changes exception entry, the context switch or batching: v4 adds all three. Tables get their key in the common constructor
 * (v2's changelog), early ones by the walk of swapper_pg_dir (patch "mm: Introduce kernel_pgtables_set_pkey()"). Its suite has two
 * cases, which write a changed value. v4's changelog names the gap: PTE tables that the kernel allocated for itself after boot were not
 * protected, because the constructor was not called for them.
 */
const V3: Series = {
  options: { ...EQUAL_WRITES_MADE, pgtables: PGTABLES_V3 },
  kernel: {
    exceptionEntry: "inherit",
    switchPkeyRegister: false,
    resumeInitialisesRegister: false,
    linearMap: "pte",
  },
  kunit: { [SUITE]: KUNIT_V3 },
  dialect: "level",
  documentedGaps: [IMAGE_ALIAS, { source: "kernel", mapping: "linear", fromBoot: false }],
};

const PGTABLES_V4: PluginOptions = { ...PGTABLES_V3, batching: true, batchingInInterrupt: true, tagging: "ctor" };

/**
 * RFC v4 (April 2025), by its changelog: POR_EL1 is switched with the thread (patch 7) and reset on exception entry (patch 8);
 * switches are batched in lazy MMU sections (patch 18), in interrupt too. Its base kernel calls the constructor for all kernel tables,
 * and the suite has a test for that. The suite gets its present config symbol.
 */
const V4: Series = {
  ...V3,
  options: { ...V3.options, pgtables: PGTABLES_V4 },
  kernel: { ...V3.kernel, exceptionEntry: "reset", switchPkeyRegister: true },
  kunit: {
    [SUITE]: {
      ...KUNIT_V3,
      config: "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST",
      cases: ["write_linear_map_pte", "write_kernel_vmalloc_pte", "write_user_pmd"],
    },
  },
  documentedGaps: [IMAGE_ALIAS],
};

const PGTABLES_V5: PluginOptions = { ...PGTABLES_V4, batchingInInterrupt: false };

/** RFC v5 (August 2025), by its changelog: no batching while in interrupt (patch 18), where the register was reset. */
const V5: Series = {
  ...V4,
  options: { ...V4.options, pgtables: PGTABLES_V5 },
};

/**
 * v6 (February 2026): tables are allocated from blocks that have their key before (patches 11 to 26), with a linear map that may
 * consist of blocks; early tables are recorded. The register gets its initial value when a CPU resumes (patch 9). The vmemmap allocates
 * its tables from memblock directly: v7's changelog adds the patch that protects them, and its test. With little memory two more gaps
 * are possible: a second region of tables from before the linear map may be split (patch 14 warns of it), and early tables whose key
 * needs a split while the reserve is empty. Its suite (patch 30) tests each source of tables; those from before splitting are reached
 * through the mapping of the IRQ stack.
 */
const V6: Series = {
  ...V5,
  options: {
    ...V5.options,
    pgtables: { ...PGTABLES_V5, fixmapTables: false, tagging: "block-allocator", early: "recorded", vmemmap: false },
  },
  kernel: { ...V5.kernel, resumeInitialisesRegister: true, linearMap: "block", irqStacks: "vmap" },
  kunit: {
    [SUITE]: {
      cases: [
        "write_direct_map_pgtables",
        "write_kernel_image_pud",
        "write_kernel_vmalloc_pte",
        "write_early_kernel_vmap_pte",
        "write_user_pmd",
      ],
    },
  },
  documentedGaps: [
    IMAGE_ALIAS,
    FIXMAP_TABLES,
    { source: "vmemmap", mapping: "linear", fromBoot: true },
    { source: "kernel", mapping: "linear", fromBoot: false },
    { source: "early", mapping: "linear", fromBoot: false },
  ],
};

const PGTABLES_V7: PluginOptions = {
  batching: true,
  batchingInInterrupt: false,
  staticAliases: "linear",
  fixmapTables: false,
  tagging: "allocator",
  early: "recorded",
  vmemmap: true,
};

/**
 * v7 (May 2026), by its changelog: no block allocator, PTEs in the linear map (patch 19), a key set by pagetable_alloc() (patch 13);
 * vmemmap tables protected (patch 14); "level" became "context"; no reset on exception entry, because a thread in a lazy MMU section
 * may be rescheduled at the end of an interrupt. v8 (May 2026) differs only in macro hygiene and in the scope of a guard in
 * `arm64/mm/fault.c`, which the model does not count.
 */
const V7_V8: Series = {
  options: { ...EQUAL_WRITES_MADE, pgtables: PGTABLES_V7 },
  kernel: {
    exceptionEntry: "inherit",
    switchPkeyRegister: true,
    resumeInitialisesRegister: true,
    linearMap: "pte",
  },
  kunit: {},
  dialect: "context",
  documentedGaps: [IMAGE_ALIAS, FIXMAP_TABLES],
};

/**
 * RFC v9 (18 August 2026, message-id 20260818-kpkeys-v9-0-743ad31b2c8f@arm.com): entering a context returns a state that records
 * whether a context was entered (requested in the review of v8, patch 1), and arm64 skips the write of an equal register value.
 */
const V9: Series = {
  ...V7_V8,
  options: { ...V7_V8.options, ...EQUAL_WRITES_SKIPPED },
  dialect: "state",
};

/** The proposal of this project on top of v9, not posted: all static tables get the key, in the image's mapping too. */
const NEXT: Series = {
  ...V9,
  options: { ...V9.options, pgtables: { ...PGTABLES_V7, staticAliases: "both", fixmapTables: true } },
  documentedGaps: [],
};

/** Name of a version. */
export type SeriesName = "v3" | "v4" | "v5" | "v6" | "v7" | "v8" | "v9" | "next";

/** The versions of the series, oldest first. */
export const SERIES: Readonly<Record<SeriesName, Series>> = {
  v3: V3,
  v4: V4,
  v5: V5,
  v6: V6,
  v7: V7_V8,
  v8: V7_V8,
  v9: V9,
  next: NEXT,
};

/** Label of `next` in reports, so that it is not mistaken for a posted version. */
export const NEXT_LABEL = "our proposal, not posted";

/**
 * Returns the name of a version for text output.
 * @param series - the version, or the step that leads to it, such as `v6→next`
 * @returns the name; with {@link NEXT_LABEL} for `next`
 */
export function seriesTitle(series: string): string {
  return /(^|→)next$/.test(series) ? `${series} (${NEXT_LABEL})` : series;
}

/**
 * Whether a version documents a gap.
 * @param series - name of the version
 * @param gap - source of the table pages and their writable mapping
 */
export function isDocumented(series: SeriesName, gap: { readonly source: string; readonly mapping: string }): boolean {
  return SERIES[series].documentedGaps.some(({ source, mapping }) => gap.source === source && gap.mapping === mapping);
}
