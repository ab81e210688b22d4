import type { StraceThreads } from "./strace-threads.js";

/** The pidfds of the caller's own thread and process (include/uapi/linux/pidfd.h), which need no open file. */
const PIDFD_SELF = /^(?:-1000[01]|PIDFD_SELF\w*)$/;
/** A pidfd as `-y` prints it. */
const DECODED = /^\d{1,10}<pid:(\d{1,7})/;
const NUMBER = /^\d{1,10}(?=$|[< ])/;

/** The open files that are pidfds of the process that opened them. */
export class OwnPidfds {
  private readonly files = new Map<number, Set<string>>();

  /** @param threads - the threads that strace follows */
  constructor(private readonly threads: StraceThreads) {}

  /** A thread opened a pidfd or closed a file. @param result - the result of the call, as strace prints it */
  note(name: string, args: readonly string[], result: string, thread: number): void {
    const process = this.threads.processOf(thread);
    const file = NUMBER.exec(name === "close" ? (args[0] ?? "") : result)?.[0];
    if (file === undefined) return;
    if (name === "pidfd_open" && this.isOwn(NUMBER.exec(args[0] ?? "")?.[0], thread)) {
      this.files.set(process, (this.files.get(process) ?? new Set()).add(file));
    } else this.files.get(process)?.delete(file);
  }

  /** Removes the files of a thread's process, at its execve or its end. */
  forget(thread: number): void {
    this.files.delete(this.threads.processOf(thread));
  }

  /** Whether a pidfd is one of the caller's process. @param pidfd - the argument as strace prints it */
  owns(pidfd: string, thread: number): boolean {
    if (PIDFD_SELF.test(pidfd) || this.isOwn(DECODED.exec(pidfd)?.[1], thread)) return true;
    const file = NUMBER.exec(pidfd)?.[0];
    return file !== undefined && this.files.get(this.threads.processOf(thread))?.has(file) === true;
  }

  private isOwn(pid: string | undefined, thread: number): boolean {
    return pid !== undefined && this.threads.numbered(Number(pid)) === this.threads.processOf(thread);
  }
}
