import { accessSync, closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync } from "node:fs";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { KpkeysError, outputFailure } from "@kpkeys/core";
import { beforeEnd } from "./ending.js";

/** A file that is being written. It is renamed when complete, so that no reader and no second writer sees a part of it. */
export interface Output {
  /** The file to write, which exists: a temporary file next to the requested one. */
  readonly file: string;
  /**
   * Renames it to the requested name.
   * @throws KpkeysError ERR_OUTPUT
   */
  commit(): void;
  /** Removes the file. No effect after commit(). */
  discard(): void;
}

/** Names of file descriptors of this process: a rename would replace the name, not write the file. */
const DESCRIPTOR = /^\/(dev\/(fd|std)|proc\/)/;

let outputs = 0;

/**
 * Creates an output file.
 * @param path - its name; a pipe or a device is written directly
 * @throws KpkeysError ERR_OUTPUT when it cannot be written
 */
export function createOutput(path: string): Output {
  try {
    return begin(path);
  } catch (cause) {
    throw outputFailure(path, cause);
  }
}

function begin(path: string): Output {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true || /^$|[/\\]$/.test(path)) {
    throw new KpkeysError("ERR_OUTPUT", "this does not name a file", {
      where: path,
      expected: "a file that can be written",
    });
  }
  if (stats !== undefined && (!stats.isFile() || DESCRIPTOR.test(resolve(path)))) {
    return { file: path, commit: () => undefined, discard: () => undefined };
  }
  const target = stats === undefined ? absentTarget(path) : realpathSync(path);
  if (stats !== undefined) accessSync(target, constants.W_OK);
  const file = join(dirname(target), `.kpkeys-${process.pid}-${outputs++}.tmp`);
  const remove = (): void => {
    rmSync(file, { force: true });
  };
  // Before the file exists, because a signal may arrive at any time.
  const forget = beforeEnd(remove);
  try {
    closeSync(openSync(file, "wx", stats === undefined ? 0o666 : stats.mode & 0o777));
  } catch (error) {
    forget();
    throw error;
  }
  return {
    file,
    commit() {
      try {
        renameSync(file, target);
      } catch (cause) {
        throw outputFailure(path, cause);
      }
      forget();
    },
    discard() {
      remove();
      forget();
    },
  };
}

/**
 * Writes a whole file.
 * @param path - the file
 * @param text - its contents
 * @throws KpkeysError ERR_OUTPUT
 */
export function writeOutput(path: string, text: string): void {
  const output = createOutput(path);
  try {
    writeFileSync(output.file, text);
    output.commit();
  } catch (cause) {
    throw outputFailure(path, cause);
  } finally {
    output.discard();
  }
}

/**
 * Rejects an output that is the same file as an input, stdout or another output. Compares files, not names: symbolic links, hard links,
 * relative paths and descriptors are resolved.
 * @param wanted - paths of the files to write
 * @param inputs - paths of the files to read, and other words of the command line
 * @throws KpkeysError ERR_OUTPUT
 */
export function rejectSameFile(wanted: readonly string[], inputs: readonly string[]): void {
  const taken = new Map(inputs.map((path) => [identityOf(path), `the input ${path}`]));
  const stdout = stdoutIdentity();
  if (stdout !== undefined) taken.set(stdout, "the file that stdout goes to");
  for (const path of wanted) {
    const identity = identityOf(path);
    if (identity === undefined) continue;
    const other = taken.get(identity);
    if (other !== undefined) {
      throw new KpkeysError("ERR_OUTPUT", `this is ${other}`, { where: path, expected: "another file" });
    }
    taken.set(identity, `the output ${path} too`);
  }
}

/** Device and inode of a file that exists, else its absolute path; undefined for a character device, which has no contents to lose. */
function identityOf(path: string): string | undefined {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return absentTarget(path);
    return stats.isCharacterDevice() ? undefined : identityIn(stats);
  } catch {
    // The code that opens the path reports the error.
    return undefined;
  }
}

function stdoutIdentity(): string | undefined {
  try {
    const stats = fstatSync(1, { bigint: true });
    return stats.isFile() ? identityIn(stats) : undefined;
  } catch {
    return undefined;
  }
}

function identityIn({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** The absolute path of a file that does not exist; a dangling symbolic link is followed. */
function absentTarget(path: string): string {
  const absolute = resolve(path);
  const link = linkAt(absolute);
  if (link !== undefined) return absentTarget(resolve(dirname(absolute), link));
  return join(realpathSync(dirname(absolute)), basename(absolute));
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
