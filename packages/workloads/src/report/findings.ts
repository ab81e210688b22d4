import type { LinearMapStats } from "@kpkeys/core/contracts";
import type { Coverage } from "@kpkeys/kernel";
import type { Policy } from "../cost/policy.js";
import type { ReplayResult } from "../replay/replay.js";

/** Probe accesses that succeeded, of one source, level and mapping. */
export interface AttackGap {
  /** Allocation of the table pages, or a feature's name for its objects. */
  readonly source: string;
  /** Linux's name of the table level; `object` for an object that is not a table. */
  readonly level: string;
  /** The open mapping: the linear map, or another mapping of the kernel. */
  readonly mapping: "linear" | "other";
  /** Number of stores. */
  readonly stores: number;
  /** Number of loads; 0 except for objects whose reads are withheld. */
  readonly loads: number;
  /** The first address accessed, 16 hexadecimal digits. */
  readonly address: string;
}

/** Probe stores through writable mappings, and probe loads from objects whose reads are withheld. */
export interface AttackCount {
  /** Accesses tried. */
  readonly tried: number;
  /** Accesses that faulted because of a key. */
  readonly blocked: number;
}

/** The result of probe accesses on a machine. */
export interface AttackFindings extends AttackCount {
  /** The loads among them. */
  readonly loads: AttackCount;
  /** Counts by allocation of the table pages, or by a feature's name for its objects. */
  readonly bySource: Readonly<Record<string, AttackCount>>;
  /** Stores that faulted because the mapping is read-only. `tried` does not include them. */
  readonly readOnly: number;
  /** Accesses that succeeded. */
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

/** The results of a machine that replayed a recording. */
export interface MachineFindings {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** The policy of the hardening. */
  readonly policy: Policy;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** The replay. */
  readonly replay: ReplayResult;
  /** Digest of all page tables after the replay, 16 hexadecimal digits. */
  readonly tables: string | null;
}

/** The results of the machine with the strongest policy, which is also checked. */
export interface CheckedFindings extends MachineFindings {
  /** The protection of table pages. */
  readonly coverage: Coverage;
  /** The linear map. */
  readonly linearMap: LinearMapStats;
  /** The probe stores; `null` if none were made. */
  readonly attack: AttackFindings | null;
  /** KUnit results; `null` if KUnit was not run. */
  readonly kunit: KunitCounts | null;
}
