import { SingleBar } from "cli-progress";
import type { ProgressListener } from "./pool.js";

/** A bar for all jobs together. */
export interface Progress {
  /** Takes what the jobs say. */
  readonly update: ProgressListener;
  /** Takes the bar away. */
  stop(): void;
}

/** A bar's steps: as many as a terminal could ever tell apart. */
const STEPS = 1000;

/** What ends the command while the bar hides the cursor. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * A progress bar on stderr with the rate at which recordings are read and the time left; nothing where stderr is no terminal.
 * @param jobs - number of jobs that read a recording
 */
export function createProgress(jobs: number): Progress {
  if (!process.stderr.isTTY || jobs === 0) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: "replaying [{bar}] {percentage} % | {rate} KiB/s | {eta_formatted} left",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    barsize: 30,
  });
  // cli-progress would give the cursor back and swallow the signal.
  const onSignal = (signal: NodeJS.Signals): void => {
    bar.stop();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const reads = new Float64Array(jobs);
  const shares = new Float64Array(jobs);
  const start = performance.now();
  bar.start(STEPS, 0, { rate: "-" });
  return {
    update(index, read, size) {
      reads[index] = read;
      shares[index] = size === 0 ? 0 : read / size;
      const seconds = (performance.now() - start) / 1000;
      bar.update((STEPS * sum(shares)) / jobs, { rate: (sum(reads) / 1024 / seconds).toFixed(0) });
    },
    stop() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      bar.stop();
    },
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
