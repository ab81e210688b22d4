import type { KunitOptions, PluginOptions, TableSource } from "@kpkeys/core/contracts";
import type { KernelPolicies } from "@kpkeys/kernel";

/** A mapping of table pages that a version of the series is known to leave open. Reports compare what they find with it; no machine reads it. */
export interface DocumentedGap {
  /** Where the pages come from. */
  readonly source: TableSource;
  /** Which mapping of them is open: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Whether every machine has it from boot on; if not, it takes work or a memory map that calls for such pages. */
  readonly fromBoot: boolean;
}

/** The policies that make a version of the kpkeys series: plain JSON. */
export interface Series {
  /** Options of plugins, by the plugin's id; a plugin that is not named has its defaults. */
  readonly options: Readonly<Record<string, PluginOptions>>;
  /** What the kernel under the plugins does. */
  readonly kernel: KernelPolicies;
  /** The form of KUnit suites, by the suite's name; a suite that is not named has its newest form. */
  readonly kunit: KunitOptions;
  /** In which words the API speaks: a level and a register value, a context and a register value, a context and a state. */
  readonly dialect: "level" | "context" | "state";
  /** What it leaves open, by its own account. */
  readonly documentedGaps: readonly DocumentedGap[];
}

/** Entering a context writes the key register, even where its value does not change. */
const EQUAL_WRITES_MADE = { "arm64-poe": { skipEqualWrites: false }, "x86-pks": { skipEqualWrites: false } };

/** Entering a context that does not change the value leaves the write out. */
const EQUAL_WRITES_SKIPPED = { "arm64-poe": { skipEqualWrites: true }, "x86-pks": { skipEqualWrites: true } };

/**
 * Static tables are keyed in the linear map alone. Up to v5 the walk takes the linear address of each table, since v6 the hook does
 * (patch "arm64: kpkeys: Protect init_pg_dir"); the image maps the same pages writable, and nothing gives that mapping a key.
 */
const IMAGE_ALIAS: DocumentedGap = { source: "static", mapping: "other", fromBoot: true };

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
 * RFC v3 (February 2025). Its changelog names `kpkeys_set_level()` and a return value that says that nothing was written; arm64
 * writes always. No patch touches exception entry or the context switch: v4 brought both. No batching: v4's patch 18 is the first.
 * Tables get their key in the common constructor (v2's changelog), early ones by the walk of swapper_pg_dir (patch "mm: Introduce
 * kernel_pgtables_set_pkey()"). Its suite has two cases, which write another value than the one that is there. v4's changelog names the
 * gap: PTE tables that the kernel allocated for itself after boot were not protected, because the constructor was not called for them.
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
 * switches are batched in lazy MMU sections (patch 18), in interrupt too; its base is a kernel that constructs all of its own
 * tables, and it adds the test for that; the suite gets the config symbol that it has had since.
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
 * v6 (February 2026): a new way of allocating tables, from blocks that have their key already (patches 11 to 26), over a linear map
 * that may consist of blocks; early tables are remembered. The register gets its initial value when a CPU resumes (patch 9). The
 * vmemmap still takes its tables from memblock itself: v7's changelog adds the patch that protects them, and its test. Short of
 * memory, two more can be there: a second region of tables from before the linear map may be split (patch 14 warns of it), and
 * early tables whose key would cost a split that finds the reserve empty. Its suite (patch 30) looks at each way of allocating
 * tables, at the ones from before splitting by the IRQ stack's mapping.
 */
const V6: Series = {
  ...V5,
  options: {
    ...V5.options,
    pgtables: { ...PGTABLES_V5, tagging: "block-allocator", early: "recorded", vmemmap: false },
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
    { source: "vmemmap", mapping: "linear", fromBoot: true },
    { source: "kernel", mapping: "linear", fromBoot: false },
    { source: "early", mapping: "linear", fromBoot: false },
  ],
};

const PGTABLES_V7: PluginOptions = {
  batching: true,
  batchingInInterrupt: false,
  staticAliases: "linear",
  tagging: "allocator",
  early: "recorded",
  vmemmap: true,
};

/**
 * v7 (May 2026), by its changelog: no block allocator, PTEs in the linear map (patch 19), a key set by pagetable_alloc() (patch 13);
 * vmemmap tables protected (patch 14); "level" became "context"; no reset on exception entry, because a thread in a lazy section
 * may be rescheduled on the way out of an interrupt. v8 (May 2026) differs in macro hygiene and in the scope of a guard in
 * `arm64/mm/fault.c`, in nothing that the model counts.
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
  documentedGaps: [IMAGE_ALIAS],
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

/** The proposal of this project on top of v9, not posted: static tables get the key in the image's mapping too. */
const NEXT: Series = {
  ...V9,
  options: { ...V9.options, pgtables: { ...PGTABLES_V7, staticAliases: "both" } },
  documentedGaps: [],
};

/** A version of the series that is known. */
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

/** What a report prints after the name `next`, so that it is not mistaken for a posted version. */
export const NEXT_LABEL = "our proposal, not posted";

/**
 * The name of a version as text prints it.
 * @param series - the version, or the step that leads to it, such as `v6→next`
 * @returns the name, for `next` with {@link NEXT_LABEL}
 */
export function seriesTitle(series: string): string {
  return /(^|→)next$/.test(series) ? `${series} (${NEXT_LABEL})` : series;
}

/**
 * Whether a series leaves something open by its own account.
 * @param series - its name
 * @param gap - where table pages come from and which mapping of them is open
 */
export function isDocumented(series: SeriesName, gap: { readonly source: string; readonly mapping: string }): boolean {
  return SERIES[series].documentedGaps.some(({ source, mapping }) => gap.source === source && gap.mapping === mapping);
}
