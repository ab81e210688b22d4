import type { TableSource } from "@kpkeys/core/contracts";

/** A mapping of table pages that a version of the series is known to leave open. */
export interface DocumentedGap {
  /** Where the pages come from. */
  readonly source: TableSource;
  /** Which mapping of them is open: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
}

/** The policies that make a version of the kpkeys series, as options of the plugins. */
export interface Series {
  /** Options of the architecture plugin. */
  readonly arch: {
    /** Whether entering a context leaves out a register write that would change nothing. */
    readonly skipEqualWrites: boolean;
  };
  /** Options of the feature plugins, by id. */
  readonly features: {
    /** Of page-table hardening: which mappings of static tables get the key. */
    readonly pgtables: { readonly staticAliases: "linear" | "both" };
  };
  /** What it leaves open, by its own account. */
  readonly documentedGaps: readonly DocumentedGap[];
}

/**
 * v7 and v8 (May 2026) differ in macro hygiene and in the scope of a guard in `arm64/mm/fault.c`, in nothing that the model
 * counts. Their arm64 back end reads, writes and synchronises POR_EL1 whenever a context is entered, equal value or not, and
 * their hook for static tables keys the pages of the kernel image's pool in the linear map alone: through the image's own mapping
 * those pages stay writable.
 */
const V7_V8: Series = {
  arch: { skipEqualWrites: false },
  features: { pgtables: { staticAliases: "linear" } },
  documentedGaps: [{ source: "static", mapping: "other" }],
};

/** A version of the series that is known. */
export type SeriesName = "next" | "v8" | "v7";

/**
 * The versions of the series, newest first. `next` is the form after v8, whose arm64 back end leaves out the write of an
 * equal value, with static tables keyed in both mappings.
 */
export const SERIES: Readonly<Record<SeriesName, Series>> = {
  next: {
    arch: { skipEqualWrites: true },
    features: { pgtables: { staticAliases: "both" } },
    documentedGaps: [],
  },
  v8: V7_V8,
  v7: V7_V8,
};

/** How the hardening is used: not at all, one switch for each setter, or one for each lazy MMU section. */
export type Policy = "off" | "naive" | "batched";

/** Options of the feature plugins by policy, weakest policy first; `off` is a machine without features. */
export const POLICIES: Readonly<Record<Policy, { readonly pgtables: { readonly batching: boolean } } | null>> = {
  off: null,
  naive: { pgtables: { batching: false } },
  batched: { pgtables: { batching: true } },
};

/**
 * Whether a series leaves something open by its own account.
 * @param series - its name
 * @param gap - where table pages come from and which mapping of them is open
 */
export function isDocumented(series: SeriesName, gap: { readonly source: string; readonly mapping: string }): boolean {
  return SERIES[series].documentedGaps.some(({ source, mapping }) => gap.source === source && gap.mapping === mapping);
}
