import { unknownOf, unknownStackOf } from "./agreement.js";
import type { ExitRecord, TableShape } from "./agreement.js";
import type { Thread } from "./threads.js";

/** The model's records of processes at exit_group, where Linux's VmPTE was read. */
export class ExitRecords {
  /** Records by pid; a reused pid has several. */
  readonly byPid: Map<number, ExitRecord[]> = new Map();
  private readonly shape: TableShape;

  /** @param shape - the shape of the machine's tables */
  constructor(shape: TableShape) {
    this.shape = shape;
  }

  /**
   * A thread calls exit_group.
   * @param thread - the thread
   * @param lost - number of events that perf has lost so far
   */
  note(thread: Thread, lost: number): void {
    thread.exitRecord = {
      tablePages: thread.task.mm!.tablePages,
      why: unknownOf(thread.program, lost),
      whyFewer: unknownStackOf(thread.program, this.shape),
    };
  }

  /**
   * A thread ends. If it called exit_group, its record becomes that of its process. The model takes a child of clone3 for a thread of the
   * caller's process. If its exit has `group_dead` while the leader of that process is alive, it was a process: the record is stored
   * under its own number.
   * @param thread - the thread
   * @param leaderLives - whether the leader of its process is alive
   * @param groupDead - `group_dead` of the exit event
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
