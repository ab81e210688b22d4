import { count } from "./report/style.js";

/** Takes how far a part of the work is: its place in the list, what share of it is done (0 to 1), and how many items that were. */
export type ProgressListener = (index: number, share: number, items: number) => void;

/** A bar for all parts of a command's work together. */
export interface Progress {
  /** Takes what the parts say. */
  readonly update: ProgressListener;
  /**
   * Changes what the bar says it does.
   * @param doing - a word or a few
   */
  say(doing: string): void;
  /** Takes the bar away. */
  stop(): void;
}

/** What a command's work is. */
export interface ProgressLabel {
  /** What is done: `replaying`. */
  readonly doing: string;
  /** What of: `events`. */
  readonly items: string;
}

/** A bar's steps: as many as a terminal could ever tell apart. */
const STEPS = 1000;

const NO_PROGRESS: Progress = { update: () => undefined, say: () => undefined, stop: () => undefined };

/**
 * A progress bar on stderr with the rate at which items are done and the time left; nothing where stderr is no terminal. It changes
 * nothing about the terminal that a signal could leave behind.
 *
 * @param parts - number of parts of the work
 * @param label - what the work is
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
    say(text) {
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
