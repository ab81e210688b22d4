import {
  Access,
  CloneFlag,
  Exceptions,
  KeyRegisters,
  LazyMmu,
  PageTables,
  Tasks,
  toPhysAddr,
  toPkey,
} from "@kpkeys/core/contracts";
import type { Observer, Task } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { runOn } from "../../src/machine/cpus.js";
import type { Machine } from "../../src/machine/machine.js";
import { KernelTasks } from "../../src/process/tasks.js";
import { splitRoots } from "../support/arches.js";
import { boot, kernelService, record } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

const MISUSE = expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error;

/** Values of AMR's high word that grant key 1 or key 2 besides key 0. */
const OPEN_1 = 0x0fffffff;
const OPEN_2 = 0x33ffffff;

function tasksOf(machine: Machine): KernelTasks {
  return kernelService(machine, Tasks, KernelTasks);
}

function onCpu(machine: Machine, cpu: number): void {
  runOn(machine.cpus, machine.cpus.all[cpu]!);
}

describe("tasks", () => {
  it("start with an idle task for each CPU, whose tid is the CPU's number; other tids follow", () => {
    const machine = boot({ cpus: 3 });
    const tasks = tasksOf(machine);
    expect([...tasks.all].map(({ tid }) => tid)).toEqual([0, 1, 2]);
    for (const cpu of [0, 1, 2]) {
      onCpu(machine, cpu);
      expect([tasks.current.tid, tasks.current.mm, tasks.isIdle(cpu)]).toEqual([cpu, undefined, true]);
    }
    expect([tasks.create(undefined).tid, tasks.create(undefined).tid]).toEqual([3, 4]);
    expect([...tasks.all].map(({ tid }) => tid)).toEqual([0, 1, 2, 3, 4]);
  });

  it("switch with a notification of features and observers, except to the current task", () => {
    const calls: Call[] = [];
    const seen: number[][] = [];
    const observer: Observer = { taskSwitch: (...numbers) => seen.push(numbers) };
    const machine = boot(
      {},
      {
        attach: record(["contextSwitch"], calls),
        observer,
      },
    );
    const tasks = tasksOf(machine);
    const [a, b] = [tasks.create(undefined), tasks.create(undefined)];
    for (const task of [a, a, b]) tasks.switchTo(task);
    expect(calls).toEqual([
      ["contextSwitch", 0, a.tid],
      ["contextSwitch", a.tid, b.tid],
    ]);
    expect(seen).toEqual([
      [0, 0, a.tid],
      [0, a.tid, b.tid],
    ]);
    expect([tasks.switches, machine.counters().contextSwitches]).toEqual([2, 2]);
    expect(tasks.current).toBe(b);
    expect([tasks.isIdle(0), a.tid === b.tid]).toEqual([false, false]);
  });

  it("have separate key registers; a new task copies the live value", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const cpu = machine.cpus.current;
    const { pkeyRegisterHigh: initial, pkeyRegisterLow: initialLow } = cpu;
    const [a, b] = [tasks.create(undefined), tasks.create(undefined)];
    tasks.switchTo(a);
    cpu.writePkeyRegister(OPEN_1, 7);
    cpu.synchronise();
    const child = tasks.create(undefined);
    expect([child.pkeyRegisterHigh, child.pkeyRegisterLow]).toEqual([OPEN_1, 7]);
    tasks.switchTo(b);
    expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([initial, initialLow]);
    expect([a.pkeyRegisterHigh, a.pkeyRegisterLow]).toEqual([OPEN_1, 7]);
    tasks.switchTo(child);
    expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([OPEN_1, 7]);
  });

  it("cost a write and a barrier only if a word of the values differs", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const cpu = machine.cpus.current;
    const same = tasks.create(undefined);
    const { pkeyRegisterHigh: initial, pkeyRegisterLow: initialLow } = cpu;
    const costs = (task: Task): number[] => {
      const { pkeyRegisterWrites, barriers } = { ...cpu.counters };
      const counted = tasks.barriers;
      tasks.switchTo(task);
      return [
        cpu.counters.pkeyRegisterWrites - pkeyRegisterWrites,
        cpu.counters.barriers - barriers,
        tasks.barriers - counted,
      ];
    };
    for (const [high, low] of [
      [initial, 1],
      [OPEN_2, initialLow],
    ] as const) {
      const other = tasks.create(undefined);
      expect(costs(other)).toEqual([0, 0, 0]);
      cpu.writePkeyRegister(high, low);
      cpu.synchronise();
      expect(costs(same)).toEqual([1, 1, 1]);
      expect(costs(other)).toEqual([1, 1, 1]);
      expect(costs(same)).toEqual([1, 1, 1]);
      expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([initial, initialLow]);
    }
  });

  it("have separate registers for fetches, whose switch is a write but no further barrier", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const cpu = machine.cpus.current;
    const initial = cpu.fetchRegister!;
    const [a, b] = [tasks.create(undefined), tasks.create(undefined)];
    for (const [high, writes] of [
      [cpu.pkeyRegisterHigh, 1],
      [OPEN_1, 2],
    ] as const) {
      tasks.switchTo(a);
      cpu.writePkeyRegister(high, cpu.pkeyRegisterLow);
      cpu.writeFetchRegister(7, 8);
      cpu.synchronise();
      const before = { ...cpu.counters };
      tasks.switchTo(b);
      expect([cpu.counters.pkeyRegisterWrites - before.pkeyRegisterWrites, cpu.fetchRegister]).toEqual([
        writes,
        initial,
      ]);
      expect(cpu.counters.barriers - before.barriers).toBe(1);
      tasks.switchTo(a);
      expect([cpu.fetchRegister, b.fetchRegister]).toEqual([{ high: 7, low: 8 }, initial]);
      tasks.switchTo(b);
    }
  });

  it("do not switch the register with the policy of the first versions", () => {
    const machine = boot({ kernel: { switchPkeyRegister: false } });
    const tasks = tasksOf(machine);
    const cpu = machine.cpus.current;
    const task = tasks.create(undefined);
    cpu.writePkeyRegister(OPEN_1, 0);
    tasks.switchTo(task);
    expect(cpu.pkeyRegisterHigh).toBe(OPEN_1);
    expect(tasks.barriers).toBe(0);
  });

  it("all get a right granted everywhere in their saved registers", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const [a, b] = [tasks.create(undefined), tasks.create(undefined)];
    machine.get(KeyRegisters).grantEverywhere(toPkey(1), "rwx");
    expect([a, b].map(({ pkeyRegisterHigh }) => pkeyRegisterHigh & (3 << 28))).toEqual([0, 0]);
    expect([a, b].map(({ fetchRegister }) => fetchRegister!.high & (1 << 28))).toEqual([0, 0]);
    expect([a.pkeyRegisterHigh & (3 << 26), a.fetchRegister!.high & (1 << 26)]).toEqual([3 << 26, 1 << 26]);
    tasks.mapSavedRegisters(({ high, low, fetch }) => ({ high: high ^ 1, low: low ^ 2, fetch: { ...fetch!, low: 4 } }));
    const { current } = machine.cpus;
    expect([a.pkeyRegisterHigh, a.pkeyRegisterLow, a.fetchRegister]).toEqual([
      current.pkeyRegisterHigh ^ 1,
      current.pkeyRegisterLow ^ 2,
      { high: current.fetchRegister!.high, low: 4 },
    ]);
  });

  it("keep their lazy MMU section while another task runs", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const lazy = machine.get(LazyMmu);
    const [a, b] = [tasks.create(undefined), tasks.create(undefined)];
    tasks.switchTo(a);
    lazy.enable();
    tasks.switchTo(b);
    expect(lazy.isActive()).toBe(false);
    tasks.switchTo(a);
    expect(lazy.isActive()).toBe(true);
    lazy.disable();
  });
});

describe("the address space of a CPU", () => {
  it("is that of the last task with one: a kernel thread borrows it", () => {
    const process = new Process();
    const { machine, tasks, mm } = process;
    const { mmu } = machine.cpus.current;
    expect(mmu.userRoot).toBe(mm.root);
    tasks.switchTo(tasks.create(undefined));
    expect(mmu.userRoot).toBe(mm.root);
    const other = process.spaces.create();
    tasks.switchTo(tasks.create(other));
    expect(mmu.userRoot).toBe(other.root);
  });

  it.each([
    ["one root for both halves", undefined],
    ["a root for the user's half", splitRoots],
  ] as const)("is no longer one that ends, though a kernel thread borrows it: %s", (_, arch) => {
    const machine = boot({ cpus: 2 }, arch && { arch });
    const process = new Process(machine);
    const { tasks, mm, task } = process;
    tasks.switchTo(tasks.create(undefined));
    onCpu(machine, 1);
    const own = process.spaces.create();
    tasks.switchTo(tasks.create(own));
    tasks.exit(task);
    expect([...process.spaces.all].includes(mm)).toBe(false);
    const { root } = machine.get(PageTables);
    const roots = machine.cpus.all.map(({ mmu }) => mmu.userRoot);
    expect(roots).toEqual([arch === undefined ? root : undefined, own.root]);
  });

  it("stays while another thread uses it", () => {
    const process = new Process();
    const { tasks, spaces, mm, task } = process;
    spaces.get(mm);
    const thread = tasks.create(mm, CloneFlag.THREAD);
    tasks.switchTo(thread);
    tasks.exit(task);
    expect([mm.users, process.machine.cpus.current.mmu.userRoot]).toEqual([1, mm.root]);
    tasks.exit(thread);
    expect([...spaces.all]).toEqual([]);
  });

  it("is replaced by exec, immediately in the current task", () => {
    const process = new Process();
    const { tasks, spaces, mm, task, machine } = process;
    const next = spaces.create();
    tasks.exec(task, next);
    expect([task.mm, machine.cpus.current.mmu.userRoot, [...spaces.all]]).toEqual([next, next.root, [next]]);
    expect(mm.users).toBe(0);

    const sleeping = tasks.create(undefined);
    const third = spaces.create();
    tasks.exec(sleeping, third);
    expect([sleeping.mm, machine.cpus.current.mmu.userRoot]).toEqual([third, next.root]);
    tasks.switchTo(sleeping);
    expect(machine.cpus.current.mmu.userRoot).toBe(third.root);
  });

  it("is set in the MMU only when it changes", () => {
    const process = new Process();
    const { tasks, spaces, mm, machine } = process;
    spaces.get(mm);
    const thread = tasks.create(mm, CloneFlag.THREAD);
    const { mmu } = machine.cpus.current;
    let roots = 0;
    const setUserRoot = mmu.setUserRoot.bind(mmu);
    mmu.setUserRoot = (...args) => {
      roots++;
      setUserRoot(...args);
    };
    tasks.switchTo(thread);
    tasks.switchTo(process.task);
    expect(roots).toBe(0);
  });
});

describe("a task that exits", () => {
  it("switches its CPU to the idle task, has no address space, and cannot run again", () => {
    const process = new Process();
    const { tasks, task } = process;
    tasks.exit(task);
    expect([tasks.current.tid, task.mm, task.cred, [...tasks.all].includes(task)]).toEqual([0, undefined, 0, false]);
    expect(() => {
      tasks.switchTo(task);
    }).toThrow(MISUSE);
  });

  it("is switched away on another CPU too, and the current CPU stays the same", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    const task = tasks.create(undefined);
    const other = tasks.create(undefined);
    tasks.switchTo(task);
    onCpu(machine, 1);
    tasks.switchTo(other);
    tasks.exit(task);
    expect([machine.cpus.current.id, tasks.current, tasks.isIdle(0), tasks.isIdle(1)]).toEqual([1, other, true, false]);
  });

  it("may be a kernel thread, but not an idle task", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    tasks.exit(tasks.create(undefined));
    for (const idle of [...tasks.all])
      expect(() => {
        tasks.exit(idle);
      }).toThrow(MISUSE);
  });
});

describe("a context switch", () => {
  it("migrates a task; its old CPU switches to the idle task", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    const task = tasks.create(undefined);
    const stays = tasks.create(undefined);
    tasks.switchTo(task);
    onCpu(machine, 1);
    tasks.switchTo(stays);
    expect(tasks.isIdle(0)).toBe(false);
    tasks.switchTo(task);
    expect([machine.cpus.current.id, tasks.current, tasks.isIdle(0), tasks.isIdle(1)]).toEqual([1, task, true, false]);
    expect(tasks.switches).toBe(4);
  });

  it("rejects the migration of an idle task", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    const [idle0, idle1] = [...tasks.all];
    tasks.switchTo(tasks.create(undefined));
    expect(() => {
      tasks.switchTo(idle1!);
    }).toThrow(MISUSE);
    tasks.switchTo(idle0!);
    onCpu(machine, 1);
    expect(() => {
      tasks.switchTo(idle0!);
    }).toThrow(MISUSE);
  });

  it("is rejected in interrupt, and to a task of another machine", () => {
    const machine = boot();
    const tasks = tasksOf(machine);
    const task = tasks.create(undefined);
    machine.get(Exceptions).interrupt(() => {
      expect(() => {
        tasks.switchTo(task);
      }).toThrow(MISUSE);
    });
    tasks.switchTo(task);
    const stranger: Task = {
      tid: 1,
      mm: undefined,
      pkeyRegisterHigh: 0,
      pkeyRegisterLow: 0,
      fetchRegister: undefined,
      cred: toPhysAddr(0),
      realCred: toPhysAddr(0),
    };
    expect(() => {
      tasks.switchTo(stranger);
    }).toThrow(MISUSE);
  });

  it("back to an interrupted task uses the CPU that runs it, or else migrates it to the current CPU", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    const task = tasks.create(undefined);
    const other = tasks.create(undefined);
    onCpu(machine, 1);
    tasks.switchTo(task);
    onCpu(machine, 0);
    tasks.returnTo(task);
    expect([machine.cpus.current.id, tasks.current, tasks.switches]).toEqual([1, task, 1]);
    tasks.switchTo(other);
    onCpu(machine, 0);
    tasks.returnTo(task);
    expect([machine.cpus.current.id, tasks.current, tasks.switches]).toEqual([0, task, 3]);
    onCpu(machine, 1);
    tasks.returnTo(task);
    expect([machine.cpus.current.id, tasks.current, tasks.switches]).toEqual([0, task, 3]);
    tasks.returnTo([...tasks.all][1]!);
    expect([machine.cpus.current.id, tasks.isIdle(1)]).toEqual([1, true]);
  });

  it("of a CPU to its idle task does not change the current CPU", () => {
    const machine = boot({ cpus: 2 });
    const tasks = tasksOf(machine);
    onCpu(machine, 1);
    tasks.switchTo(tasks.create(undefined));
    onCpu(machine, 0);
    tasks.switchToIdle(1);
    expect([machine.cpus.current.id, tasks.isIdle(1), tasks.switches]).toEqual([0, true, 2]);
  });
});

it("a process accesses only its pages on every CPU", () => {
  const machine = boot({ cpus: 2 });
  const process = new Process(machine);
  process.mmap(BASE, 1);
  process.touch(BASE, Access.WRITE);
  const first = process.task;
  process.run(process.tasks.create(process.spaces.create()));
  expect(process.touch(BASE, Access.READ)).toBeUndefined();
  onCpu(machine, 1);
  process.run(first);
  expect(process.touch(BASE, Access.WRITE)).toBe(0);
});
