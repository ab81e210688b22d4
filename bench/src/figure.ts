import type { ArchId } from "./machine.js";

/** The result of one measurement. */
export interface Measurement {
  /** Nanoseconds per operation. */
  readonly nsPerOp: number;
  /** For a figure that compares machines of one process: the time on the last one divided by the time on the first. */
  readonly ratioToFirst?: number;
}

/** Measures once. */
export type Measure = () => Measurement | Promise<Measurement>;

/** An operation that is measured in a separate process. */
export interface Figure {
  /** Its name, also in the C reference if that has the figure. */
  readonly name: string;
  /** Description of one operation. */
  readonly operation: string;
  /** Whether it is measured on each architecture; false for a figure without a machine. */
  readonly perArch: boolean;
  /** Whether each measurement needs a new process. */
  readonly fresh: boolean;
  /** Whether it is measured only if named: a rejected design. */
  readonly byName: boolean;
  /**
   * Prepares and warms up the work.
   * @param arch - the architecture of its machine
   */
  readonly prepare: (arch: ArchId) => Promise<Measure>;
}

/**
 * Creates a figure. By default it is measured on each architecture, in one process for all rounds, also if no figure is named.
 * @param name - its name
 * @param operation - description of one operation
 * @param prepare - prepares and warms up the work
 * @param rest - fields with other values
 */
export function figure(
  name: string,
  operation: string,
  prepare: Figure["prepare"],
  rest: Partial<Pick<Figure, "perArch" | "fresh" | "byName">> = {},
): Figure {
  return { name, operation, prepare, perArch: true, fresh: false, byName: false, ...rest };
}

/** The next random number for addresses: the generator of the C reference, with seed 1. */
export function step(x: number): number {
  return (Math.imul(x, 1664525) + 1013904223) | 0;
}
