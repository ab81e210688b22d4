import type { Machine } from "@kpkeys/kernel";
import type { ArchId } from "../plugins.js";
import type { Policy } from "../series.js";

/** What a figure's process is given. */
export interface Setup {
  /** The architecture; figures without a machine have it too, and do not look at it. */
  readonly arch: ArchId;
  /** Makes the figure's machine: once, because code that is made twice is slow. */
  readonly boot: () => Promise<Machine>;
  /** The recording that is replayed. */
  readonly trace: string;
}

/** What one run of a figure did, as far as the figure does not know it beforehand. */
export interface Run {
  /** Does it. */
  readonly run: () => unknown;
  /** How many operations that is. */
  readonly operations: number;
}

/** Something that is measured in a process of its own. */
export interface Figure {
  /** Its name, the same as in the C reference where it is there too. */
  readonly name: string;
  /** One operation, in words. */
  readonly operation: string;
  /** Whether the C reference has it. */
  readonly inReference: boolean;
  /** Whether it is measured on each architecture; else it has no machine, or one where that makes no difference. */
  readonly perArch: boolean;
  /** Whether each run needs a process of its own, and the first one counts. */
  readonly fresh: boolean;
  /** The machine's RAM in GiB. */
  readonly gib: number;
  /** How the hardening is used on it. */
  readonly policy: Policy;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** The figure that this one is held against, measured in the same rounds. */
  readonly baseline?: string;
  /** Makes what one run does. */
  readonly prepare: (setup: Setup) => Promise<Run>;
}

/**
 * A figure on a machine of 16 GiB with the hardening batched, in a process that stays, unless it says otherwise.
 * @param name - its name
 * @param operation - one operation, in words
 * @param prepare - makes what one run does
 * @param rest - what is not usual
 */
export function figure(
  name: string,
  operation: string,
  prepare: Figure["prepare"],
  rest: Partial<Omit<Figure, "name" | "operation" | "prepare">> = {},
): Figure {
  return {
    name,
    operation,
    prepare,
    inReference: false,
    perArch: true,
    fresh: false,
    gib: 16,
    policy: "batched",
    pkeys: true,
    ...rest,
  };
}

/** The next of the numbers that choose addresses: the C reference's, seeded with 1. */
export function step(x: number): number {
  return (Math.imul(x, 1664525) + 1013904223) | 0;
}
