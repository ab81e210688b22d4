import { AddressSpaces, Privilege, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Access, Mm, Task } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";

/** A machine with one process running. */
export class Process {
  readonly machine: Machine;
  readonly spaces: AddressSpaces;
  readonly tasks: Tasks;
  task: Task;

  constructor(machine: Machine) {
    this.machine = machine;
    this.spaces = machine.get(AddressSpaces);
    this.tasks = machine.get(Tasks);
    this.task = this.tasks.create(this.spaces.create());
    this.tasks.switchTo(this.task);
  }

  get mm(): Mm {
    return this.task.mm!;
  }

  /** Table pages below the top level. */
  get tables(): number {
    return this.mm.tablePages;
  }

  touch(page: number, access: Access): number | undefined {
    return this.spaces.touch(this.mm, toVpn(page), access, Privilege.USER);
  }

  /** Forks, and runs the child from then on. */
  fork(): void {
    this.task = this.tasks.create(this.spaces.fork(this.mm));
    this.tasks.switchTo(this.task);
  }
}
