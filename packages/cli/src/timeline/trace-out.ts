import { closeSync, openSync, writeSync } from "node:fs";
import { outputFailure } from "@kpkeys/core";

/** A file that several threads append to. Each write is appended as a whole (O_APPEND). */
export class TraceOut {
  private readonly descriptor: number;

  /**
   * @param file - an existing file
   * @param path - its name in errors
   * @throws KpkeysError ERR_OUTPUT
   */
  constructor(
    file: string,
    private readonly path: string,
  ) {
    this.descriptor = reported(path, () => openSync(file, "a"));
  }

  /**
   * Appends bytes. Blocks until they are written, so the replay does not run ahead of the disk.
   * @throws KpkeysError ERR_OUTPUT
   */
  append(bytes: Uint8Array): void {
    reported(this.path, () => {
      for (let at = 0; at < bytes.length; at += writeSync(this.descriptor, bytes, at));
    });
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.descriptor);
  }
}

function reported<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw outputFailure(path, cause);
  }
}
