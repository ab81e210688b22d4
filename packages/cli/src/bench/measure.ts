import type { InstructionCounter } from "./instructions.js";
import type { Reference } from "./reference.js";
import type { Subject } from "./subject.js";

/** Rounds: in each the C reference runs once and then every subject once, so that a slow spell of the machine meets all of them. */
export const ROUNDS = 7;

/** What was measured of a figure. */
export interface FigureResult {
  /** Its name. */
  readonly name: string;
  /** One operation, in words. */
  readonly operation: string;
  /** The architecture; `null` where it makes no difference. */
  readonly arch: string | null;
  /** Median over the rounds, in nanoseconds. */
  readonly nsPerOperation: number;
  /** How many in a second, by that median. */
  readonly operationsPerSecond: number;
  /** Median over the rounds of the ratio to the C reference in the same round; `null` where there is nothing to compare with. */
  readonly ratioToC: number | null;
  /** The figure that it is held against; `null` if none. */
  readonly baseline: string | null;
  /** Median over the rounds of the ratio to that figure in the same round; `null` without one. */
  readonly ratioToBaseline: number | null;
  /** Distance of the quartiles over the rounds, as a share of the median: the noise. */
  readonly spread: number;
  /** Instructions of one run in user mode, where time was too noisy and something could count; else `null`. */
  readonly instructions: number | null;
}

/** The spread above which time is too noisy: two measurements may differ by a quarter of a regression's size for no reason. */
const NOISY = 0.075;

/** One figure's runs, round by round. */
interface Runs {
  readonly subject: Subject;
  readonly ns: number[];
  readonly ratios: number[];
}

/**
 * Measures subjects in rounds.
 * @param subjects - figures, each with the one that it is held against before it
 * @param reference - the C reference; `undefined` without a compiler
 * @param onRun - called after each run
 * @param counter - counts what is too noisy to be timed, if anything does
 */
export async function measureAll(
  subjects: readonly Subject[],
  reference: Reference | undefined,
  onRun: () => void,
  counter: InstructionCounter | undefined,
): Promise<FigureResult[]> {
  const all: Runs[] = subjects.map((subject) => ({ subject, ns: [], ratios: [] }));
  const withReference = subjects.some(({ inReference }) => inReference);
  try {
    for (const subject of subjects) await subject.start();
    for (let round = 0; round < ROUNDS; round++) {
      const inC = withReference ? await reference?.run() : undefined;
      for (const { subject, ns, ratios } of all) {
        ns.push(await subject.measure());
        const c = inC?.get(subject.name);
        if (c !== undefined) ratios.push(ns.at(-1)! / c);
        onRun();
      }
    }
  } finally {
    for (const subject of subjects) subject.stop();
  }
  const results: FigureResult[] = [];
  for (const runs of all) {
    const result = resultOf(
      runs,
      all.find(({ subject }) => subject.name === runs.subject.baseline),
    );
    const isCounted = counter !== undefined && result.spread > NOISY;
    results.push(isCounted ? { ...result, instructions: await runs.subject.instructions(counter) } : result);
  }
  return results;
}

function resultOf({ subject, ns, ratios }: Runs, baseline: Runs | undefined): FigureResult {
  const { name, operation, arch } = subject;
  const nsPerOperation = quantile(ns, 0.5);
  return {
    name,
    operation,
    arch,
    nsPerOperation,
    operationsPerSecond: 1e9 / nsPerOperation,
    ratioToC: ratios.length === 0 ? null : quantile(ratios, 0.5),
    baseline: baseline?.subject.name ?? null,
    ratioToBaseline:
      baseline === undefined
        ? null
        : quantile(
            ns.map((each, round) => each / baseline.ns[round]!),
            0.5,
          ),
    spread: (quantile(ns, 0.75) - quantile(ns, 0.25)) / nsPerOperation,
    instructions: null,
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)]!;
}
