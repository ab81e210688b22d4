import type { StraceThreads } from "./strace-threads.js";

/** The pidfds that mean the caller's own thread and process (include/uapi/linux/pidfd.h), which need not be opened. */
const PIDFD_SELF = /^(?:-1000[01]|PIDFD_SELF\w*)$/;
/** A pidfd as `-y` prints it. */
const DECODED = /^\d{1,10}<pid:(\d{1,7})/;
const NUMBER = /^\d{1,10}(?=$|[< ])/;

/** Open files of a process that are pidfds of the same process. */
export interface OwnPidfds {
  /** Notes a call that opens or closes a file. @param result - what it returned, as strace prints it */
  note(name: string, args: readonly string[], result: string, thread: number): void;
  /** Forgets the files of a process, which execve closed. */
  forget(thread: number): void;
  /** Whether a pidfd is the caller's own. @param pidfd - the argument as strace prints it */
  owns(pidfd: string, thread: number): boolean;
}

/**
 * Opens the list of pidfds.
 * @param threads - the threads that strace follows
 */
export function createOwnPidfds(threads: StraceThreads): OwnPidfds {
  const files = new Map<number, Set<string>>();

  function isOwn(pid: string | undefined, thread: number): boolean {
    return pid !== undefined && threads.numbered(Number(pid)) === threads.processOf(thread);
  }

  return {
    note(name, args, result, thread) {
      const process = threads.processOf(thread);
      const file = NUMBER.exec(name === "close" ? (args[0] ?? "") : result)?.[0];
      if (file === undefined) return;
      if (name === "pidfd_open" && isOwn(NUMBER.exec(args[0] ?? "")?.[0], thread)) {
        files.set(process, (files.get(process) ?? new Set()).add(file));
      } else files.get(process)?.delete(file);
    },
    forget(thread) {
      files.delete(threads.processOf(thread));
    },
    owns(pidfd, thread) {
      if (PIDFD_SELF.test(pidfd) || isOwn(DECODED.exec(pidfd)?.[1], thread)) return true;
      const file = NUMBER.exec(pidfd)?.[0];
      return file !== undefined && files.get(threads.processOf(thread))?.has(file) === true;
    },
  };
}
