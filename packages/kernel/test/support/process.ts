import { AddressSpaces, MapFlag, Privilege, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Access, Mm, Task } from "@kpkeys/core/contracts";
import type { Machine } from "../../src/machine/machine.js";
import { boot } from "./machine.js";

/** Flags of private anonymous memory. */
export const ANONYMOUS: number = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
/** Flags of shared anonymous memory. */
export const SHARED: number = MapFlag.SHARED | MapFlag.ANONYMOUS;
/** Flags of a private file mapping. */
export const FILE: number = MapFlag.PRIVATE;
/** The usual rights. */
export const RW: number = Prot.READ | Prot.WRITE;
/** A page that begins a table of every level. */
export const BASE = 2 ** 24;

/** A machine with one process running. */
export class Process {
  readonly machine: Machine;
  readonly spaces: AddressSpaces;
  readonly tasks: Tasks;
  task: Task;

  /** @param machine - the machine; a small one if left out */
  constructor(machine: Machine = boot()) {
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

  mmap(page: number, pages: number, prot: number = RW, flags: number = ANONYMOUS): number {
    return this.spaces.mmap(this.mm, toVpn(page), pages, prot, flags);
  }

  /** Touches a page as user code does. @returns the faults taken, or `undefined` when no mapping allows it */
  touch(page: number, access: Access): number | undefined {
    return this.spaces.touch(this.mm, toVpn(page), access, Privilege.USER);
  }

  /** Forks, and runs the child from then on. @returns the parent */
  fork(): Task {
    const parent = this.task;
    this.run(this.tasks.create(this.spaces.fork(this.mm)));
    return parent;
  }

  /** Runs another task from then on. */
  run(task: Task): void {
    this.task = task;
    this.tasks.switchTo(task);
  }
}
