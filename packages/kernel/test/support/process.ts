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
/** Read and write. */
export const RW: number = Prot.READ | Prot.WRITE;
/** A page at the start of a table of every level. */
export const BASE = 2 ** 24;

/** The result of `touch` if no mapping allows the access. */
export const DENIED = undefined;

/** A machine with one process running. */
export class Process {
  readonly machine: Machine;
  readonly spaces: AddressSpaces;
  readonly tasks: Tasks;
  task: Task;

  /** @param machine - the machine; default: a small machine */
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

  /** A user access to a page. @returns number of faults; `undefined` if no mapping allows the access */
  touch(page: number, access: Access): number | undefined {
    return this.spaces.touch(this.mm, toVpn(page), access, Privilege.USER);
  }

  /** Forks and switches to the child. @returns the parent */
  fork(): Task {
    const parent = this.task;
    this.run(this.tasks.create(this.spaces.fork(this.mm)));
    return parent;
  }

  /** Switches to another task. */
  run(task: Task): void {
    this.task = task;
    this.tasks.switchTo(task);
  }
}
