import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputFailure } from "@kpkeys/core";
import { beforeEnd } from "../ending.js";

/**
 * Has a child process end when the command does, by a signal too.
 * @param child - what was spawned
 * @returns the same
 */
export function tied<T extends ChildProcess>(child: T): T {
  const forget = beforeEnd(() => child.kill());
  child.once("exit", forget).once("error", forget);
  return child;
}

/** A temporary folder. */
export interface Folder {
  /** Where it is. */
  readonly path: string;
  /** Removes it, which the end of the command does too. */
  remove(): void;
}

/**
 * Makes a temporary folder.
 * @throws KpkeysError ERR_OUTPUT where there is no place for it
 */
export function temporaryFolder(): Folder {
  let path: string | undefined;
  const remove = (): void => {
    if (path !== undefined) rmSync(path, { recursive: true, force: true });
  };
  // Before the folder is there: a signal may come at any moment.
  const forget = beforeEnd(remove);
  try {
    path = mkdtempSync(join(tmpdir(), "kpkeys-bench-"));
  } catch (cause) {
    forget();
    throw outputFailure(tmpdir(), cause, "a folder for temporary files; TMPDIR names another");
  }
  return {
    path,
    remove() {
      remove();
      forget();
    },
  };
}
