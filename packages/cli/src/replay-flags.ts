import type { CheckMode, Until } from "@kpkeys/workloads";
import type { CommonFlags } from "./options.js";

/** The flags of commands that replay. */
export type ReplayFlags = CommonFlags & {
  /** A VmPTE file. */
  readonly vmpte?: string;
  /** How often the page tables are looked at meanwhile. */
  readonly check: CheckMode;
  /** How much of the recording is replayed. */
  readonly until?: Until;
  /** One program in how many is. */
  readonly sample?: number;
  /** Seed by which they are taken. */
  readonly seed: number;
  /** Where their timeline goes. */
  readonly traceOut?: string;
  /** How many machines replay at once. */
  readonly workers?: number;
  /** A file of unit costs; those of RFC v5 if left out. */
  readonly cost?: string;
  /** Cycles of a WRMSR of the key register. */
  readonly wrmsrCycles?: number;
};
