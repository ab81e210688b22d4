import { KpkeysError } from "@kpkeys/core";
import { SETTERS } from "@kpkeys/core/contracts";
import type { PluginOptions, Setter } from "@kpkeys/core/contracts";
import { MAX_EARLY_RANGES } from "./early.js";

/** How the page tables are protected. Versions of the series differ in these. */
export interface PgtablesOptions {
  /**
   * Whether a lazy MMU section switches the key register once, instead of every setter in it. Default true: since v4, patch
   * "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches".
   */
  readonly batching?: boolean;
  /**
   * What else opens the tables, beside setters and lazy MMU sections; no version of the series has any of it. Default `setter`.
   *
   * - `setter` — nothing else
   * - `table-lock` — a page-table lock, while it is held; what goes without a lock opens as before
   * - `operation` — a kernel operation, from its beginning to its end
   * - `leaf-mapping` — no keys at all: a process's tables of pages are in the linear map only while their lock is held. Needs
   *   `rodata=full`; protects nothing else
   */
  readonly placement?: "setter" | "table-lock" | "operation" | "leaf-mapping";
  /**
   * Whether the setters trust an open lazy MMU section even in interrupt, where the register may have been reset: v4, which
   * crashed when a table page was freed there. Default false: since v5.
   */
  readonly batchingInInterrupt?: boolean;
  /**
   * Which mappings of static table pages get the key: the linear map alone, as v7 and v8 have it
   * (`arch_kpkeys_protect_static_pgtables()`), or the kernel image's own mapping too. Default `both`: with the linear map alone
   * the tables can be written through the image.
   */
  readonly staticAliases?: "linear" | "both";
  /**
   * Where table pages from the buddy allocator get their key. Default `allocator`.
   *
   * - `allocator` — in pagetable_alloc() and pagetable_free() (v7 and later, patch "mm: kpkeys: Protect regular page tables")
   * - `ctor` — in the common constructor and destructor (v2 to v5, patch "mm: Map page tables with privileged pkey")
   * - `ctor-missing-kernel` — there too, over a kernel that makes its own PTE tables without calling them (v2 and v3, before
   *   "Always call constructor for kernel page tables")
   * - `block-allocator` — they come from blocks that have it already (v6)
   */
  readonly tagging?: "allocator" | "ctor" | "ctor-missing-kernel" | "block-allocator";
  /**
   * How the tables of early boot get their key: remembered as they are allocated (since v6), or found by a walk of
   * swapper_pg_dir (v1 to v5, patch "mm: Introduce kernel_pgtables_set_pkey()"). Default `recorded`.
   */
  readonly early?: "recorded" | "late-walk";
  /** How many ranges of early table pages are remembered, with `early` `recorded`. Default 1024, INIT_MEMBLOCK_MEMORY_REGIONS. */
  readonly earlyRanges?: number;
  /**
   * Whether the vmemmap takes its tables from the allocator that remembers them, since v7, patch "mm: kpkeys: Protect vmemmap page
   * tables"; a walk finds them anyway. Default true.
   */
  readonly vmemmap?: boolean;
  /** Setters left without a guard. Default none; v2 missed `clear_young_dirty_pte`. */
  readonly unguarded?: readonly Setter[];
}

/** The defaults: the newest form of the series. */
const DEFAULTS: Required<PgtablesOptions> = {
  batching: true,
  placement: "setter",
  batchingInInterrupt: false,
  staticAliases: "both",
  tagging: "allocator",
  early: "recorded",
  earlyRanges: MAX_EARLY_RANGES,
  vmemmap: true,
  unguarded: [],
};

/** What each option may be, and that in words. */
const FORMS: {
  readonly [Option in keyof PgtablesOptions]-?: readonly [accepts: (value: unknown) => boolean, expected: string];
} = {
  batching: truthValue(),
  placement: oneOf("setter", "table-lock", "operation", "leaf-mapping"),
  batchingInInterrupt: truthValue(),
  staticAliases: oneOf("linear", "both"),
  tagging: oneOf("allocator", "ctor", "ctor-missing-kernel", "block-allocator"),
  early: oneOf("recorded", "late-walk"),
  earlyRanges: [(value) => Number.isSafeInteger(value) && (value as number) >= 0, "a whole number, 0 or more"],
  vmemmap: truthValue(),
  unguarded: [(value) => Array.isArray(value) && value.every(isSetter), `a list of ${SETTERS.join(", ")}`],
};

/**
 * Reads the options of a machine's specification.
 *
 * @param options - plain JSON
 * @returns all options, with their defaults
 * @throws KpkeysError ERR_SPEC for an option that does not exist or a value that it cannot have
 */
export function readOptions(options: PluginOptions): Required<PgtablesOptions> {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(FORMS, name)) throw refused(`there is no option '${name}'`, Object.keys(FORMS).join(", "));
    const [accepts, expected] = FORMS[name as keyof PgtablesOptions];
    if (!accepts(value)) throw refused(`${name} is ${JSON.stringify(value)}`, expected);
  }
  return { ...DEFAULTS, ...options };
}

function truthValue(): readonly [(value: unknown) => boolean, string] {
  return [(value) => typeof value === "boolean", "true or false"];
}

function oneOf(...names: readonly string[]): readonly [(value: unknown) => boolean, string] {
  return [(value) => names.some((name) => name === value), names.map((name) => `'${name}'`).join(" or ")];
}

function isSetter(name: unknown): name is Setter {
  return SETTERS.some((setter) => setter === name);
}

function refused(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_SPEC", what, { where: "options of pgtables", expected });
}
