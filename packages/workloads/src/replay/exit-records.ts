import { unknownOf, unknownStackOf } from "./agreement.js";
import type { ExitRecord, TableShape } from "./agreement.js";
import type { Thread } from "./threads.js";

/** What the model has of each process when it calls exit_group: the moment of Linux's account. */
export class ExitRecords {
  /** By pid; a pid that is used again has several. */
  readonly byPid: Map<number, ExitRecord[]> = new Map();
  private readonly shape: TableShape;

  /** @param shape - of the machine's tables */
  constructor(shape: TableShape) {
    this.shape = shape;
  }

  /**
   * A thread calls exit_group.
   * @param thread - the thread
   * @param lost - events that perf has lost so far
   */
  note(thread: Thread, lost: number): void {
    thread.exitRecord = {
      tablePages: thread.task.mm!.tablePages,
      why: unknownOf(thread.program, lost),
      whyFewer: unknownStackOf(thread.program, this.shape),
    };
  }

  /**
   * A thread ends: its record, if it called exit_group, is that of its process. A child of clone3 is taken for a thread; if its group is
   * dead while the first thread of that process lives, it was a process, and the record is kept under its own number.
   * @param thread - the thread
   * @param leaderLives - whether the first thread of the process that it is taken to belong to is alive
   * @param groupDead - whether the exit event says that the last thread of a process ended
   */
  keep(thread: Thread, leaderLives: boolean, groupDead: boolean): void {
    const { tid, pid, exitRecord } = thread;
    if (exitRecord === undefined) return;
    thread.exitRecord = undefined;
    const number = groupDead && tid !== pid && leaderLives ? tid : pid;
    const records = this.byPid.get(number);
    if (records === undefined) this.byPid.set(number, [exitRecord]);
    else records.push(exitRecord);
  }
}
