import type { Random } from "@kpkeys/core";

/**
 * The median.
 * @param values - at least one value
 */
export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b);
  const middle = ascending.length >> 1;
  return ascending.length % 2 === 1 ? ascending[middle]! : (ascending[middle - 1]! + ascending[middle]!) / 2;
}

/**
 * The arithmetic mean.
 * @param values - at least one value
 */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The rank of each value. Equal values share the mean of their ranks. */
function ranksOf(values: readonly number[]): number[] {
  const ascending = [...values].sort((a, b) => a - b);
  return values.map((value) => (ascending.indexOf(value) + ascending.lastIndexOf(value)) / 2);
}

/**
 * Spearman's rank correlation.
 * @param a - the first value of each pair
 * @param b - the second value of each pair
 * @returns 1 for the same order, -1 for the opposite order
 */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const x = ranksOf(a);
  const y = ranksOf(b);
  const middle = (a.length - 1) / 2;
  const covariance = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + (value - middle) * (q[i]! - middle), 0);
  return covariance(x, y) / Math.sqrt(covariance(x, x) * covariance(y, y));
}

/**
 * Rounds to six significant digits: beyond the precision of an estimate, and equal in every version of Node.js (docs/performance.md,
 * "Same numbers everywhere").
 * @param value - the number; an integer is returned unchanged
 */
export function sixDigits(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}

/**
 * Draws one of several values.
 * @param values - the values
 * @param random - the generator
 */
export function pick<T>(values: readonly T[], random: Random): T {
  return values[Math.floor(random.fraction() * values.length)]!;
}

/**
 * The 5th and the 95th percentile.
 * @param values - at least one value
 */
export function rangeOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  const ascending = [...values].sort((a, b) => a - b);
  const at = (share: number): number => ascending[Math.round(share * (ascending.length - 1))]!;
  return { low: at(0.05), high: at(0.95) };
}
