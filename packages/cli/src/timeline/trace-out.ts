import { closeSync, openSync, writeSync } from "node:fs";
import { outputFailure } from "@kpkeys/core";

/** A file that several threads add to. */
export interface TraceOut {
  /**
   * Adds bytes, and waits until they are taken: their source goes no faster than the disk, so nothing piles up.
   * @throws KpkeysError ERR_OUTPUT
   */
  append(bytes: Uint8Array): void;
  /** Ends it. */
  close(): void;
}

/**
 * Opens a file to add to. What one thread appends at once stays together: each write goes behind all others.
 * @param file - the file, which is there
 * @param path - what errors call it
 * @throws KpkeysError ERR_OUTPUT
 */
export function openTraceOut(file: string, path: string): TraceOut {
  const descriptor = reported(path, () => openSync(file, "a"));
  return {
    append(bytes) {
      reported(path, () => {
        for (let at = 0; at < bytes.length; at += writeSync(descriptor, bytes, at));
      });
    },
    close() {
      closeSync(descriptor);
    },
  };
}

function reported<T>(path: string, doing: () => T): T {
  try {
    return doing();
  } catch (cause) {
    throw outputFailure(path, cause);
  }
}
