import type { Measure } from "./figure.js";

/** Before the first run that counts: so many runs at least, and so many milliseconds, because V8 compiles in other threads. */
const WARM_UPS = 3;
const WARM_UP_TIME = 700;
/** One measurement is the median of so many runs, as in the C reference, or of those that fit into so many milliseconds. */
const RUNS = 9;
const RUNS_TIME = 200;

/**
 * Runs something until V8 has compiled it.
 * @param run - does the work once
 * @param time - for how long, in milliseconds
 */
export async function warmUp(run: () => unknown, time: number = WARM_UP_TIME): Promise<void> {
  await repeat(run, WARM_UPS, Infinity, time);
}

/**
 * Measures work that was warmed up.
 * @param run - does the work once
 * @param operations - how many operations that is
 * @returns nanoseconds an operation, the median of several runs
 */
export async function nsPerOpOf(run: () => unknown, operations: number): Promise<number> {
  const times = (await repeat(run, 1, RUNS, RUNS_TIME)).sort((a, b) => a - b);
  return (times[times.length >> 1]! * 1e6) / operations;
}

/**
 * Warms work up.
 * @param run - does the work once
 * @param operations - how many operations that is
 * @returns measures it
 */
export async function warm(run: () => unknown, operations: number): Promise<Measure> {
  await warmUp(run);
  return async () => ({ nsPerOp: await nsPerOpOf(run, operations) });
}

/** Runs at least `least` times, at most `most` times, and after `least` only within `time` milliseconds. @returns milliseconds of each run */
async function repeat(run: () => unknown, least: number, most: number, time: number): Promise<number[]> {
  const times: number[] = [];
  const begin = performance.now();
  while (times.length < least || (times.length < most && performance.now() - begin < time)) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}
