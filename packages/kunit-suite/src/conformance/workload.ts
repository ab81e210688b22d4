import { Random } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  Exceptions,
  LazyMmu,
  MapFlag,
  PageTableFormat,
  Privilege,
  Prot,
  Tasks,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Task, Vpn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";

/** Steps of the work in the rules of kernels and features. */
export const STEPS = 200;
/** Most processes at once. */
const PROCESSES = 4;
/** Start, in bytes, and length, in pages, of the range that processes map. */
const BASE = 0x1000_0000;
const SPAN = 4096;

/**
 * Runs random operations of processes and of vmalloc(). A seed selects the same operations on every machine.
 *
 * @param machine - a booted machine
 * @param seed - selects the operations
 * @param steps - number of operations
 */
export function work(machine: Machine, seed: number, steps: number): void {
  const random = new Random(seed);
  const spaces = machine.get(AddressSpaces);
  const tasks = machine.get(Tasks);
  const vmalloc = machine.get(Vmalloc);
  const exceptions = machine.get(Exceptions);
  const lazy = machine.get(LazyMmu);
  const { pageShift } = machine.get(PageTableFormat).geometry;
  const base = BASE >> pageShift;
  const processes: Task[] = [];
  const areas: Vpn[] = [];
  const anyPage = (): Vpn => toVpn(base + random.below(SPAN));

  function spawn(): void {
    const task = tasks.create(spaces.create());
    processes.push(task);
    tasks.switchTo(task);
  }

  function exit(): void {
    if (processes.length < 2) return;
    const [task] = processes.splice(random.below(processes.length), 1);
    tasks.exit(task!);
    tasks.switchTo(random.oneOf(processes));
  }

  function fork(): void {
    if (processes.length === PROCESSES) return;
    const { mm } = tasks.current;
    processes.push(tasks.create(spaces.fork(mm!)));
  }

  const operations: readonly (() => void)[] = [
    () => {
      const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | (random.below(2) === 0 ? MapFlag.POPULATE : 0);
      spaces.mmap(tasks.current.mm!, anyPage(), 1 + random.below(32), Prot.READ | Prot.WRITE, flags);
    },
    () => {
      spaces.munmap(tasks.current.mm!, anyPage(), 1 + random.below(64));
    },
    () => {
      spaces.mprotect(
        tasks.current.mm!,
        anyPage(),
        1 + random.below(16),
        random.oneOf([Prot.READ, Prot.READ | Prot.WRITE]),
      );
    },
    () => {
      spaces.madvise(tasks.current.mm!, anyPage(), 1 + random.below(16), random.oneOf([4, 8, 20, 21]));
    },
    () => {
      spaces.touch(
        tasks.current.mm!,
        anyPage(),
        random.oneOf([Access.READ, Access.WRITE]),
        random.oneOf([Privilege.USER, Privilege.UACCESS]),
      );
    },
    fork,
    exit,
    () => {
      tasks.switchTo(random.oneOf(processes));
    },
    () => {
      const area = vmalloc.alloc(1 + random.below(8));
      if (area !== undefined) areas.push(area);
    },
    () => {
      if (areas.length > 0) vmalloc.free(areas.splice(random.below(areas.length), 1)[0]!);
    },
    () => {
      lazy.enable();
      allocAndFree(vmalloc, 2);
      exceptions.interrupt(() => {
        allocAndFree(vmalloc, 1);
      });
      lazy.disable();
    },
  ];

  spawn();
  for (let step = 0; step < steps; step++) random.oneOf(operations)();
}

/**
 * Maps and unmaps vmalloc() areas: page-table writes without processes and task switches, so that every register write enters or
 * leaves a context.
 *
 * @param machine - a booted machine
 * @param steps - number of areas
 */
export function workInKernel(machine: Machine, steps: number): void {
  const vmalloc = machine.get(Vmalloc);
  for (let step = 0; step < steps; step++) allocAndFree(vmalloc, 1 + (step % 8));
}

/** Maps pages and unmaps them. Does nothing if memory is short. */
function allocAndFree(vmalloc: Vmalloc, pages: number): void {
  const area = vmalloc.alloc(pages);
  if (area !== undefined) vmalloc.free(area);
}
