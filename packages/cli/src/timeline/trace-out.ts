import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { KpkeysError } from "@kpkeys/core";

/** A file that several threads add to. */
export interface TraceOut {
  /**
   * Adds bytes, and waits for them to be taken: whoever makes them goes no faster than the disk, so nothing piles up.
   * @throws KpkeysError ERR_OUTPUT
   */
  append(bytes: Uint8Array): void;
  /** Ends it. */
  close(): void;
}

/**
 * Makes an empty file, in place of one that is there.
 * @param path - the file
 * @param inputs - files that it must not be
 * @throws KpkeysError ERR_OUTPUT
 */
export function emptyTraceOut(path: string, inputs: readonly string[]): void {
  for (const input of inputs) refuseSame(path, input);
  told(path, () => {
    closeSync(openSync(path, "w"));
  });
}

/**
 * Opens a file to add to. What one thread appends at once stays together: each write goes behind all others.
 * @param path - the file, which is there
 * @throws KpkeysError ERR_OUTPUT
 */
export function openTraceOut(path: string): TraceOut {
  const file = told(path, () => openSync(path, "a"));
  return {
    append(bytes) {
      told(path, () => {
        for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at));
      });
    },
    close() {
      closeSync(file);
    },
  };
}

function refuseSame(path: string, input: string): void {
  const [one, other] = [path, input].map((file) => statSync(file, { throwIfNoEntry: false }));
  if (one === undefined || other === undefined || one.ino !== other.ino || one.dev !== other.dev) return;
  throw new KpkeysError("ERR_OUTPUT", `this is the input ${input}`, { where: path, expected: "another file" });
}

function told<T>(path: string, doing: () => T): T {
  try {
    return doing();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KpkeysError("ERR_OUTPUT", why, { where: path, expected: "a file that can be written", cause });
  }
}
