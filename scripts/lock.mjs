// A lock between processes, as a file. Only Node's own modules are used.
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";

/**
 * Takes a lock, unless another process has it. The lock of a process that is dead is removed; a later call then takes it.
 *
 * The file's content, its token, names the process and is there from the beginning, for the file is linked and not written in
 * place. A file is removed by its owner alone; that of a dead owner, by the one process that holds a lock on this token.
 *
 * @param {string} path - the file
 * @returns {(() => void) | undefined} gives the lock back; undefined if it could not be taken now
 */
export function takeLock(path) {
  const token = `${process.pid}-${randomUUID()}`;
  if (link(path, token)) return () => rmSync(path, { force: true });
  const owner = tokenIn(path);
  if (owner !== undefined && !lives(owner)) removeDead(path, owner);
  return undefined;
}

/** Removes a dead process's file, if it is that still: only the holder of the lock on its token may, so it stays what it is. */
function removeDead(path, owner) {
  const release = takeLock(`${path}.${owner}`);
  if (release === undefined) return;
  if (tokenIn(path) === owner) rmSync(path);
  release();
}

function link(path, token) {
  const draft = `${path}.draft-${token}`;
  writeFileSync(draft, token);
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(draft);
  }
}

function tokenIn(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function lives(token) {
  const pid = Number.parseInt(token, 10);
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
