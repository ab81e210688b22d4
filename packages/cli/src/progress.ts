import { count } from "./report/style.js";

/** Receives the progress of a part: its index, the share that is done (0 to 1), and the number of items done. */
export type ProgressListener = (index: number, share: number, items: number) => void;

/** One progress bar for all parts of a command's work. */
export interface Progress {
  /** Updates the bar. */
  readonly update: ProgressListener;
  /**
   * Changes the label of the bar.
   * @param doing - a few words
   */
  relabel(doing: string): void;
  /** Removes the bar. */
  stop(): void;
}

/** The label of a progress bar. */
export interface ProgressLabel {
  /** The work: `replaying`. */
  readonly doing: string;
  /** The items that are counted: `events`. */
  readonly items: string;
}

/** Steps of the bar: more than a terminal has columns. */
const STEPS = 1000;

const NO_PROGRESS: Progress = { update: () => undefined, relabel: () => undefined, stop: () => undefined };

/**
 * Creates a progress bar on stderr with the rate of items and the time left. Without a terminal nothing is printed. The bar changes no
 * state of the terminal, such as the cursor, that would remain after a signal.
 *
 * @param parts - number of parts of the work
 * @param label - the label
 */
export async function createProgress(parts: number, { doing, items }: ProgressLabel): Promise<Progress> {
  if (!process.stderr.isTTY || parts === 0) return NO_PROGRESS;
  const { SingleBar } = await import("cli-progress");
  const bar = new SingleBar({
    format: `{doing} [{bar}] {percentage} % | {rate} ${items}/s | {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: false,
    linewrap: true,
    gracefulExit: false,
    barsize: 30,
  });
  const shares = new Float64Array(parts);
  const counts = new Float64Array(parts);
  const start = performance.now();
  bar.start(STEPS, 0, { doing, rate: "-" });
  return {
    update(index, share, done) {
      shares[index] = share;
      counts[index] = done;
      const seconds = (performance.now() - start) / 1000;
      bar.update((STEPS * sum(shares)) / parts, { rate: count(Math.round(sum(counts) / seconds)) });
    },
    relabel(text) {
      bar.update({ doing: text });
    },
    stop() {
      bar.stop();
    },
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
