import type { Figure, Measurement } from "./figure.js";
import { FigureProcess } from "./figure-process.js";
import { ARCHES } from "./machine.js";
import type { Reference } from "./reference.js";

/** Rounds. Each round measures every figure once, so load from other processes affects all figures. */
export const ROUNDS = 5;

/** The result of a figure. */
export interface FigureResult {
  /** Its name. */
  readonly name: string;
  /** The architecture; `null` for a figure without a machine. */
  readonly arch: string | null;
  /** Description of one operation. */
  readonly operation: string;
  /** Nanoseconds per operation: the median over the rounds. */
  readonly nsPerOp: number;
  /** Ratio to the C reference in the same round: the median over the rounds; `null` if there is none. */
  readonly ratioToC: number | null;
  /** The reason for a missing ratio to C. */
  readonly reason?: string;
  /** For a figure that compares machines of one process: time on the last divided by time on the first, the median over the rounds. */
  readonly ratioToFirst?: number;
  /** The noise: interquartile range over the rounds divided by the median. */
  readonly spread: number;
}

interface Subject {
  readonly process: FigureProcess;
  readonly rounds: { readonly measurement: Measurement; readonly nsInC: number | null }[];
}

/**
 * Measures figures, one architecture after the other.
 * @param figures - the figures
 * @param reference - the C reference, or the reason why it is missing
 * @param onRound - called at the start of each round with its description
 */
export async function measureFigures(
  figures: readonly Figure[],
  reference: Reference | { readonly missing: string },
  onRound: (round: string) => void,
): Promise<FigureResult[]> {
  const results: FigureResult[] = [];
  for (const arch of ARCHES) {
    const subjects = figures
      .filter(({ perArch }) => perArch || arch === ARCHES[0])
      .map((figure): Subject => ({ process: new FigureProcess(figure, arch), rounds: [] }));
    try {
      for (const { process } of subjects) if (!process.figure.fresh) await process.start();
      for (let round = 1; round <= ROUNDS; round++) {
        onRound(`${arch}, round ${round} of ${ROUNDS}`);
        for (const subject of subjects) await measureOnce(subject, reference);
      }
    } finally {
      for (const { process } of subjects) process.stop();
    }
    results.push(...subjects.map((subject) => resultOf(subject, reference)));
  }
  return results;
}

async function measureOnce({ process, rounds }: Subject, reference: Reference | { missing: string }): Promise<void> {
  const nsInC = "missing" in reference ? null : await reference.measure(process.figure.name);
  rounds.push({ measurement: await process.measure(), nsInC });
}

function resultOf({ process, rounds }: Subject, reference: Reference | { missing: string }): FigureResult {
  const { name, operation, perArch } = process.figure;
  const times = rounds.map(({ measurement }) => measurement.nsPerOp);
  const ratios = rounds.flatMap(({ measurement, nsInC }) => (nsInC === null ? [] : measurement.nsPerOp / nsInC));
  const toFirst = rounds.flatMap(({ measurement }) => measurement.ratioToFirst ?? []);
  const nsPerOp = quantile(times, 0.5);
  return {
    name,
    arch: perArch ? process.arch : null,
    operation,
    nsPerOp,
    ratioToC: ratios.length === 0 ? null : quantile(ratios, 0.5),
    ...(ratios.length === 0 && {
      reason: "missing" in reference ? reference.missing : "the C reference has no such figure",
    }),
    ...(toFirst.length > 0 && { ratioToFirst: quantile(toFirst, 0.5) }),
    spread: (quantile(times, 0.75) - quantile(times, 0.25)) / nsPerOp,
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)]!;
}
