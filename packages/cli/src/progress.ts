import { SingleBar } from "cli-progress";
import type { ProgressListener } from "./pool.js";

/** A bar for all jobs together. */
export interface Progress {
  /** Takes what the jobs say. */
  readonly update: ProgressListener;
  /** Takes the bar away. */
  stop(): void;
}

/** A bar for the runs of a benchmark. */
export interface BenchProgress {
  /** A run is done. */
  readonly step: () => void;
  /** Takes the bar away. */
  readonly stop: () => void;
}

/** A bar's steps: as many as a terminal could ever tell apart. */
const STEPS = 1000;

/** What ends the command while the bar hides the cursor. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Shows a bar on stderr; `undefined` where that is no terminal. */
function openBar(format: string, total: number): { readonly bar: SingleBar; readonly stop: () => void } | undefined {
  if (!process.stderr.isTTY) return undefined;
  const bar = new SingleBar({
    format,
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
  bar.start(total, 0, { rate: "-" });
  return {
    bar,
    stop() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      bar.stop();
    },
  };
}

/**
 * A progress bar on stderr with the rate at which recordings are read and the time left; nothing where stderr is no terminal.
 * @param jobs - number of jobs that read a recording
 */
export function createProgress(jobs: number): Progress {
  const opened =
    jobs === 0 ? undefined : openBar("replaying [{bar}] {percentage} % | {rate} KiB/s | {eta_formatted} left", STEPS);
  if (opened === undefined) return { update: () => undefined, stop: () => undefined };
  const reads = new Float64Array(jobs);
  const shares = new Float64Array(jobs);
  const start = performance.now();
  return {
    update(index, read, size) {
      reads[index] = read;
      shares[index] = size === 0 ? 0 : read / size;
      const seconds = (performance.now() - start) / 1000;
      opened.bar.update((STEPS * sum(shares)) / jobs, { rate: (sum(reads) / 1024 / seconds).toFixed(0) });
    },
    stop: opened.stop,
  };
}

/**
 * A progress bar on stderr that counts a benchmark's runs; nothing where stderr is no terminal.
 * @param runs - how many there will be
 */
export function createBenchProgress(runs: number): BenchProgress {
  const opened = openBar("measuring [{bar}] {value} of {total} runs | {eta_formatted} left", runs);
  return { step: () => opened?.bar.increment(), stop: () => opened?.stop() };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
