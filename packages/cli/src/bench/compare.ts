import type { FigureResult } from "./measure.js";

/** A figure that got worse. */
export interface Regression {
  /** Its name. */
  readonly name: string;
  /** The architecture; `null` where it makes no difference. */
  readonly arch: string | null;
  /**
   * How many times worse: by instructions where both were counted, else by the ratio to C where both have it, which does not depend on
   * the machine's speed, else by time.
   */
  readonly factor: number;
  /** What was compared. */
  readonly by: "instructions" | "ratioToC" | "time";
  /** The factor up to which it would be taken for noise. */
  readonly allowed: number;
}

/** What counts as noise on a quiet machine: a ratio below it is none. */
const NOISE = 1.3;
/** What counts as noise of a number of instructions: the compiler does not always take the same way. */
const COUNT_NOISE = 1.1;
/** How many spreads of both measurements a median may be away by chance. */
const SPREADS = 2;

/**
 * Holds figures against earlier ones. Figures that only one of the two has are left out.
 * @param before - the earlier ones
 * @param after - those of today
 */
export function regressionsOf(before: readonly FigureResult[], after: readonly FigureResult[]): Regression[] {
  return after.flatMap((figure) => {
    const earlier = before.find(({ name, arch }) => name === figure.name && arch === figure.arch);
    if (earlier === undefined) return [];
    const { by, factor } = factorOf(earlier, figure);
    const allowed =
      by === "instructions" ? COUNT_NOISE : Math.max(NOISE, 1 + SPREADS * (figure.spread + earlier.spread));
    return factor > allowed ? [{ name: figure.name, arch: figure.arch, by, factor, allowed }] : [];
  });
}

function factorOf(before: FigureResult, after: FigureResult): Pick<Regression, "by" | "factor"> {
  if (before.instructions && after.instructions) {
    return { by: "instructions", factor: after.instructions / before.instructions };
  }
  if (before.ratioToC !== null && after.ratioToC !== null) {
    return { by: "ratioToC", factor: after.ratioToC / before.ratioToC };
  }
  return { by: "time", factor: after.nsPerOperation / before.nsPerOperation };
}
