import { inject, injectable } from "@kpkeys/core";
import { ExtensionPoints } from "@kpkeys/core/contracts";
import type { ExtensionHandlers } from "@kpkeys/core/contracts";

/** Notifies the features of the life of tasks, which may keep memory for each of them, as `thread_struct` does. */
@injectable()
export class TaskLife {
  private readonly onCreated: readonly ExtensionHandlers["taskCreated"][];
  private readonly onExec: readonly ExtensionHandlers["taskExec"][];
  private readonly onExited: readonly ExtensionHandlers["taskExited"][];

  constructor(@inject(ExtensionPoints) extensions: ExtensionPoints) {
    this.onCreated = extensions.handlers("taskCreated");
    this.onExec = extensions.handlers("taskExec");
    this.onExited = extensions.handlers("taskExited");
  }

  /**
   * Notifies of a new task. If a feature fails, notifies all features of the task's end.
   * @param task - its tid
   * @param parent - tid of the task that creates it
   * @returns whether all features succeeded
   */
  created(task: number, parent: number): boolean {
    if (this.onCreated.every((handler) => handler(task, parent) === 0)) return true;
    this.exited(task);
    return false;
  }

  /** Notifies of a new program. @param task - tid of the task that runs it */
  exec(task: number): void {
    for (const handler of this.onExec) handler(task);
  }

  /** Notifies of the end of a task. @param task - its tid */
  exited(task: number): void {
    for (const handler of this.onExited) handler(task);
  }
}
