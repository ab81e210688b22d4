import { KpkeysError } from "@kpkeys/core";
import { SETTERS } from "@kpkeys/core/contracts";
import type { PluginOptions, Setter } from "@kpkeys/core/contracts";
import { MAX_EARLY_RANGES } from "./early.js";

/** How the page tables are protected. Versions of the series differ in these options. */
export interface PgtablesOptions {
  /**
   * Whether a lazy MMU section switches the key register once, instead of every setter in it. Default true: since v4, patch
   * "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches".
   */
  readonly batching?: boolean;
  /**
   * Sections that make page tables writable, besides setters and lazy MMU sections. No version of the series has them. Default
   * `setter`.
   *
   * - `setter` — none
   * - `table-lock` — a page-table lock, while it is held; writes that take no lock are guarded per setter
   * - `operation` — a kernel operation, from its start to its end
   * - `leaf-mapping` — no keys at all: a process's PTE tables are in the linear map only while their lock is held. Needs
   *   `rodata=full`; protects no other tables
   */
  readonly placement?: "setter" | "table-lock" | "operation" | "leaf-mapping";
  /**
   * Whether the setters rely on an open lazy MMU section in interrupt too, where the register may have been reset: v4, which
   * crashed when a table page was freed there. Default false: since v5.
   */
  readonly batchingInInterrupt?: boolean;
  /**
   * Which mappings of static table pages get the key: only the linear map, as in v7 and v8
   * (`arch_kpkeys_protect_static_pgtables()`), or the kernel image's own mapping too. Default `both`: with `linear` the tables are
   * writable through the image.
   */
  readonly staticAliases?: "linear" | "both";
  /**
   * Whether the static tables that map the fixmap get the key. Default true. The hook of v6 to v9 sets it on the pool that maps the image
   * alone (patch "arm64: kpkeys: Protect init_pg_dir"); the walk of earlier versions finds both.
   */
  readonly fixmapTables?: boolean;
  /**
   * Where table pages from the buddy allocator get their key. Default `allocator`.
   *
   * - `allocator` — in pagetable_alloc() and pagetable_free() (v7 and later, patch "mm: kpkeys: Protect regular page tables")
   * - `ctor` — in the common constructor and destructor (v2 to v5, patch "mm: Map page tables with privileged pkey")
   * - `ctor-missing-kernel` — the same, on a kernel that allocates its own PTE tables without calling the constructor (v2 and v3,
   *   before "Always call constructor for kernel page tables")
   * - `block-allocator` — in a pool of pages that have the key before they are allocated (v6)
   */
  readonly tagging?: "allocator" | "ctor" | "ctor-missing-kernel" | "block-allocator";
  /**
   * How the tables of early boot get their key: recorded as they are allocated (since v6), or found by a walk of
   * swapper_pg_dir (v1 to v5, patch "mm: Introduce kernel_pgtables_set_pkey()"). Default `recorded`.
   */
  readonly early?: "recorded" | "late-walk";
  /** Largest number of recorded ranges of early table pages. Default 1024, INIT_MEMBLOCK_MEMORY_REGIONS. */
  readonly earlyRanges?: number;
  /**
   * Whether the vmemmap allocates its tables where they are recorded, since v7, patch "mm: kpkeys: Protect vmemmap page tables"; a
   * walk finds them in either case. Default true.
   */
  readonly vmemmap?: boolean;
  /** Setters without a guard. Default none; v2 missed `clear_young_dirty_pte`. */
  readonly unguarded?: readonly Setter[];
}

/** The defaults: the newest form of the series. */
const DEFAULTS: Required<PgtablesOptions> = {
  batching: true,
  placement: "setter",
  batchingInInterrupt: false,
  staticAliases: "both",
  fixmapTables: true,
  tagging: "allocator",
  early: "recorded",
  earlyRanges: MAX_EARLY_RANGES,
  vmemmap: true,
  unguarded: [],
};

/** The values of an option: a check, and their description. */
type Form = readonly [accepts: (value: unknown) => boolean, expected: string];

const BOOLEAN: Form = [(value) => typeof value === "boolean", "true or false"];

const FORMS: Readonly<Record<keyof PgtablesOptions, Form>> = {
  batching: BOOLEAN,
  placement: oneOf("setter", "table-lock", "operation", "leaf-mapping"),
  batchingInInterrupt: BOOLEAN,
  staticAliases: oneOf("linear", "both"),
  fixmapTables: BOOLEAN,
  tagging: oneOf("allocator", "ctor", "ctor-missing-kernel", "block-allocator"),
  early: oneOf("recorded", "late-walk"),
  earlyRanges: [(value) => Number.isSafeInteger(value) && (value as number) >= 0, "a whole number, 0 or more"],
  vmemmap: BOOLEAN,
  unguarded: [(value) => Array.isArray(value) && value.every(isSetter), `a list of ${SETTERS.join(", ")}`],
};

/**
 * Reads the options of a machine's specification.
 *
 * @param options - plain JSON
 * @returns all options, with their defaults
 * @throws KpkeysError ERR_SPEC for an unknown option or an invalid value
 */
export function readOptions(options: PluginOptions): Required<PgtablesOptions> {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(FORMS, name)) throw invalid(`unknown option '${name}'`, Object.keys(FORMS).join(", "));
    const [accepts, expected] = FORMS[name as keyof PgtablesOptions];
    if (!accepts(value)) throw invalid(`option ${name} cannot be ${JSON.stringify(value)}`, expected);
  }
  return { ...DEFAULTS, ...options };
}

function oneOf(...names: readonly string[]): Form {
  return [(value) => names.some((name) => name === value), names.map((name) => `'${name}'`).join(" or ")];
}

function isSetter(name: unknown): name is Setter {
  return SETTERS.some((setter) => setter === name);
}

function invalid(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_SPEC", what, { where: "options of pgtables", expected });
}
