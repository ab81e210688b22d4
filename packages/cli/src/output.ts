import { accessSync, closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync } from "node:fs";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { KpkeysError, outputFailure } from "@kpkeys/core";
import { beforeEnd } from "./ending.js";

/** A file that is being written. It gets its name when it is whole, so that no reader and no second writer sees a part of it. */
export interface Output {
  /** The file to write, which is there: a temporary one next to the file that was asked for. */
  readonly file: string;
  /**
   * Gives it its name.
   * @throws KpkeysError ERR_OUTPUT
   */
  commit(): void;
  /** Removes it, unless it has its name already. */
  discard(): void;
}

/** Descriptors of this process by name: a rename would take the place of the name and leave the file alone. */
const DESCRIPTOR = /^\/(dev\/(fd|std)|proc\/)/;

let outputs = 0;

/**
 * Begins a file.
 * @param path - its name. A pipe or a device of that name is written itself
 * @throws KpkeysError ERR_OUTPUT where it cannot be written
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
    throw new KpkeysError("ERR_OUTPUT", "this names no file", { where: path, expected: "a file that can be written" });
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
  // Before the file is there: a signal may come at any moment.
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
 * Writes a file in one go.
 * @param path - the file
 * @param text - its content
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
 * Refuses outputs that are an input, stdout or each other, by any name: symbolic and hard links, relative paths, descriptors.
 * @param wanted - paths of the files to be written
 * @param inputs - paths of the files to be read, and other words of the command line
 * @throws KpkeysError ERR_OUTPUT
 */
export function refuseSameFile(wanted: readonly string[], inputs: readonly string[]): void {
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

/** Device and inode of a file that is there, else the place where it would be made; undefined for what has no content to lose. */
function identityOf(path: string): string | undefined {
  try {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return absentTarget(path);
    return stats.isCharacterDevice() ? undefined : identityIn(stats);
  } catch {
    // What is wrong with the path is for its reader or writer to report.
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

/** Where a file would be made by a name that nothing has, or that is a link to nothing. */
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
