import type { ArchId } from "./machine.js";

/** The result of one measurement. */
export interface Measurement {
  /** Nanoseconds of one operation. */
  readonly nsPerOp: number;
  /** For a figure that compares machines of one process: the time on the last one divided by the time on the first. */
  readonly ratioToFirst?: number;
}

/** Measures once. */
export type Measure = () => Measurement | Promise<Measurement>;

/** An operation that is measured in a separate process. */
export interface Figure {
  /** Its name, the same as in the C reference if it is there too. */
  readonly name: string;
  /** One operation, in words. */
  readonly operation: string;
  /** Whether it is measured on each architecture; false for a figure without a machine. */
  readonly perArch: boolean;
  /** Whether each measurement needs a new process. */
  readonly fresh: boolean;
  /** Whether it is measured only when it is named: a design that was rejected. */
  readonly byName: boolean;
  /**
   * Sets up what is measured, warm-up included.
   * @param arch - the architecture of its machine
   */
  readonly prepare: (arch: ArchId) => Promise<Measure>;
}

/**
 * A figure that is measured by default, on each architecture, in a process that is kept for all rounds.
 * @param name - its name
 * @param operation - one operation, in words
 * @param prepare - sets up what is measured
 * @param rest - what differs from that
 */
export function figure(
  name: string,
  operation: string,
  prepare: Figure["prepare"],
  rest: Partial<Pick<Figure, "perArch" | "fresh" | "byName">> = {},
): Figure {
  return { name, operation, prepare, perArch: true, fresh: false, byName: false, ...rest };
}

/** The next of the numbers that choose addresses: the generator of the C reference, seeded with 1. */
export function step(x: number): number {
  return (Math.imul(x, 1664525) + 1013904223) | 0;
}
