import { endBy } from "./ending.js";

/** Ctrl-C as a request for an early end. */
export interface Interruption {
  /** One word of shared memory that workers read: not 0 after the request. */
  readonly flag: Int32Array;
  /** Restores the default action of Ctrl-C. */
  close(): void;
}

/**
 * Makes the first Ctrl-C (SIGINT) a request for an early end. The second one ends the process.
 * @param onRequest - called at the request
 */
export function createInterruption(onRequest: () => void): Interruption {
  const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const request = (): void => {
    if (isRequested(flag)) endBy("SIGINT");
    Atomics.store(flag, 0, 1);
    onRequest();
  };
  process.on("SIGINT", request);
  return {
    flag,
    close: () => void process.off("SIGINT", request),
  };
}

/**
 * Whether an early end was requested. May be called from any thread.
 * @param flag - of an {@link Interruption}
 */
export function isRequested(flag: Int32Array): boolean {
  return Atomics.load(flag, 0) !== 0;
}
