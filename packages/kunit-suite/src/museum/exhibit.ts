import type { ErrorCode } from "@kpkeys/core";
import type { FaultKind, Plugin, PluginOptions } from "@kpkeys/core/contracts";
import type { CoverageGap, KernelPolicies, Machine } from "@kpkeys/kernel";

/**
 * How a run detects the bug.
 *
 * - `oops` — the kernel itself took a fault; the architecture's report gives the place
 * - `coverage scanner` — the walk of all tables from the live roots found an open table page
 * - `attack` — a probe store that the hardening must block succeeded
 * - `key register` — its value differs from the expected one
 * - `counters` — a counter differs from the number of operations that it is meant to measure
 * - `errno` — a service accepted an invalid request, or failed a valid one
 * - `target check` — the word that a test writes is not in a table page that the scan finds
 */
export type Detector = "oops" | "coverage scanner" | "attack" | "key register" | "counters" | "errno" | "target check";

/** The two sides of an exhibit: the old behaviour, and the fixed one. */
export type SideName = "red" | "green";

/** Differences of a museum machine from the default machine, as plain JSON. */
export interface Policies {
  /** Options of the architecture's plugin. */
  readonly arch?: PluginOptions;
  /** Options of the feature that protects page tables. */
  readonly pgtables?: PluginOptions;
  /** Policies of the kernel. */
  readonly kernel?: KernelPolicies;
  /** Number of CPUs. Default 1. */
  readonly cpus?: number;
}

/** The rights on a key in a key register. */
export interface KeyRights {
  /** The key's number. */
  readonly pkey: number;
  /** The key's symbolic name; `null` if no feature registered it. */
  readonly key: string | null;
  /** The rights, such as `rw` or `none`. */
  readonly rights: string;
}

/** A fault, with the rights on the key of its leaf. */
export interface FaultFacts extends KeyRights {
  /** The function or the code that faulted, and its CPU: `set_pte, CPU 0`. */
  readonly where: string;
  /** The check that failed. */
  readonly kind: FaultKind;
  /** ESR_EL1 or the #PF error code, `0x` and 16 hexadecimal digits. */
  readonly syndrome: string;
}

/** A probe store that succeeded, with the rights on the key of its leaf. */
export interface StoreFacts extends KeyRights {
  /** The code that stored, and its CPU: `task 2, CPU 0`. */
  readonly where: string;
  /** Page-frame number of the page. */
  readonly pfn: number;
}

/** The measured values of a run. A run has those that its scenario measures. */
export interface Facts {
  /** The fault of the kernel, or of a probe store. */
  readonly fault?: FaultFacts;
  /** The probe store that succeeded. */
  readonly store?: StoreFacts;
  /** The open table pages that the scanner found, with the key of the first one. */
  readonly open?: readonly (Pick<CoverageGap, "source" | "level" | "mapping" | "pages"> & {
    /** Key of the first page. */
    readonly pkey: number;
  })[];
  /** The rights in the live key register at the end. */
  readonly rights?: KeyRights;
  /** Results of set_memory_pkey(), or of a test's write, in the order in which the calls began. */
  readonly errnos?: readonly number[];
  /** The code with which a call was rejected. */
  readonly rejected?: ErrorCode;
  /** Values of the key register before and after, `0x` and 16 hexadecimal digits. */
  readonly register?: {
    /** The value before. */
    readonly before: string;
    /** The value after. */
    readonly after: string;
  };
  /** Numbers by name. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** The result of a scenario. */
export interface Finding {
  /** Whether the bug showed. */
  readonly seen: boolean;
  /** The fault report or the scanner's finding of this run, in lines. */
  readonly evidence: string;
  /** The values in the evidence, for programs. */
  readonly facts: Facts;
}

/** The arguments of a scenario. */
export interface Scene {
  /** A booted machine, made for this run. */
  readonly machine: Machine;
  /**
   * Adds a step to the trace. The changes of the key register that follow are listed below it.
   * @param text - one line
   */
  readonly step: (text: string) => void;
}

/** One side of an exhibit. */
export interface Side {
  /** Policies on top of the exhibit's. */
  readonly policies?: Policies;
  /** Feature plugins that replace a contract's implementation by the old behaviour. They are set up before all other features. */
  readonly variants?: readonly Plugin[];
  /** The scenario. */
  readonly run: (scene: Scene) => Finding;
}

/**
 * A bug of the series that can be reproduced. The red side has the old behaviour and shows the bug. The green side is the current
 * behaviour, or that of the version with the fix, and does not show it.
 */
export interface Exhibit {
  /** Lower case letters, digits and hyphens. */
  readonly id: string;
  /** One line. */
  readonly title: string;
  /** The version with the bug and the version with the fix: `v2→v3`. */
  readonly series: string;
  /** Ids of the architectures that it applies to. Default: all. */
  readonly arches?: readonly string[];
  /** The source: changelog, mail or patch. */
  readonly citation: string;
  /** The mechanism. */
  readonly story: string;
  /** The fix. */
  readonly fix: string;
  /** How a run detects the bug. */
  readonly detector: Detector;
  /** Ids of further features of its machines. The feature of page tables is always present. */
  readonly features?: readonly string[];
  /** Policies of both sides. */
  readonly policies?: Policies;
  /** The old behaviour. */
  readonly red: Side;
  /** The fixed behaviour. */
  readonly green: Side;
}
