import { endBy } from "./ending.js";

/** Ctrl-C as a request to come to an end. */
export interface Interruption {
  /** One word of shared memory, which workers read: not 0 once the end is asked for. */
  readonly flag: Int32Array;
  /** Whether the end has been asked for. */
  asked(): boolean;
  /** Gives Ctrl-C back what it does otherwise. */
  close(): void;
}

/**
 * Takes the first Ctrl-C (SIGINT) as a request. The second one ends the process, as the first would have without this.
 * @param onAsk - told of the request
 */
export function createInterruption(onAsk: () => void): Interruption {
  const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const ask = (): void => {
    if (isAsked(flag)) endBy("SIGINT");
    Atomics.store(flag, 0, 1);
    onAsk();
  };
  process.on("SIGINT", ask);
  return {
    flag,
    asked: () => isAsked(flag),
    close: () => void process.off("SIGINT", ask),
  };
}

/**
 * Whether the end has been asked for, from any thread.
 * @param flag - of an {@link Interruption}
 */
export function isAsked(flag: Int32Array): boolean {
  return Atomics.load(flag, 0) !== 0;
}
