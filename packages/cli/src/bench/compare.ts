import type { FigureResult } from "./measure.js";

/** A figure that got worse. */
export interface Regression {
  /** Its name. */
  readonly name: string;
  /** The architecture; `null` where it makes no difference. */
  readonly arch: string | null;
  /** How many times slower: by the ratio to C where both have it, which does not depend on the machine's speed, else by time. */
  readonly factor: number;
  /** The factor up to which it would be taken for noise. */
  readonly allowed: number;
}

/** What counts as noise on a quiet machine: a ratio below it is none. */
const NOISE = 1.3;
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
    const factor =
      figure.ratioToC !== null && earlier.ratioToC !== null
        ? figure.ratioToC / earlier.ratioToC
        : figure.nsPerOperation / earlier.nsPerOperation;
    const allowed = Math.max(NOISE, 1 + SPREADS * (figure.spread + earlier.spread));
    return factor > allowed ? [{ name: figure.name, arch: figure.arch, factor, allowed }] : [];
  });
}
