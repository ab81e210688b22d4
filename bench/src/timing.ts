import type { Measure } from "./figure.js";

/** Minimum number of warm-up runs, and minimum time of the warm-up in milliseconds, because V8 compiles in other threads. */
const WARM_UPS = 3;
const WARM_UP_TIME = 700;
/** A measurement is the median of 9 runs, like in the C reference, or of fewer if these take more than 200 milliseconds. */
const RUNS = 9;
const RUNS_TIME = 200;

/**
 * Runs work until V8 has compiled it.
 * @param run - does the work once
 * @param time - minimum time in milliseconds
 */
export async function warmUp(run: () => unknown, time: number = WARM_UP_TIME): Promise<void> {
  await repeat(run, WARM_UPS, Infinity, time);
}

/**
 * Measures work after its warm-up.
 * @param run - does the work once
 * @param operations - number of operations of one run
 * @returns nanoseconds per operation: the median of several runs
 */
export async function nsPerOpOf(run: () => unknown, operations: number): Promise<number> {
  const times = (await repeat(run, 1, RUNS, RUNS_TIME)).sort((a, b) => a - b);
  return (times[times.length >> 1]! * 1e6) / operations;
}

/**
 * Warms work up.
 * @param run - does the work once
 * @param operations - number of operations of one run
 * @returns the function that measures the work
 */
export async function warm(run: () => unknown, operations: number): Promise<Measure> {
  await warmUp(run);
  return async () => ({ nsPerOp: await nsPerOpOf(run, operations) });
}

/** Runs `least` times, then up to `most` times while less than `time` milliseconds have passed. @returns milliseconds of each run */
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
