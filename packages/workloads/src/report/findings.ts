import type { LinearMapStats } from "@kpkeys/core/contracts";
import type { Coverage } from "@kpkeys/kernel";
import type { Policy } from "../cost/policy.js";
import type { ReplayResult } from "../replay/replay.js";

/** Stores of an attack that went through, of one source, level and mapping. */
export interface AttackGap {
  /** Where the table pages came from, or what a feature calls its objects. */
  readonly source: string;
  /** Linux's name of the tables' level; `object` for what is no table. */
  readonly level: string;
  /** Which mapping let them through: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of stores. */
  readonly stores: number;
  /** The first address written, 16 hexadecimal digits. */
  readonly address: string;
}

/** Stores tried through mappings that are writable but for a key, and how many of them faulted. */
export interface AttackCount {
  /** Stores tried. */
  readonly tried: number;
  /** Those that faulted. */
  readonly blocked: number;
}

/** What attacks on a machine came to. */
export interface AttackFindings extends AttackCount {
  /** The same by where the table pages came from, or by what a feature calls its objects. */
  readonly bySource: Readonly<Record<string, AttackCount>>;
  /** Stores that faulted because the mapping is read-only; not among those tried. */
  readonly readOnly: number;
  /** What was not blocked. */
  readonly gaps: readonly AttackGap[];
}

/** KUnit cases by result. */
export interface KunitCounts {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
  /** Skipped. */
  readonly skipped: number;
}

/** What was found out about a machine that replayed a recording. */
export interface MachineFindings {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** How the hardening was used. */
  readonly policy: Policy;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** The replay. */
  readonly replay: ReplayResult;
  /** Digest of all page tables after the replay, 16 hexadecimal digits. */
  readonly tables: string | null;
}

/** The same of a machine that was looked at after the replay: the one of the strongest policy. */
export interface CheckedFindings extends MachineFindings {
  /** Which table pages are protected. */
  readonly coverage: Coverage;
  /** Of what the linear map consists. */
  readonly linearMap: LinearMapStats;
  /** What attacks came to; `null` if none were made. */
  readonly attack: AttackFindings | null;
  /** KUnit; `null` if it was not run. */
  readonly kunit: KunitCounts | null;
}
