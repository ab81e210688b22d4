import { toBytes } from "@kpkeys/core";
import {
  CloneFlag,
  CRED,
  Creds,
  Exceptions,
  KernelMemory,
  Kpkeys,
  PageAllocator,
  Rcu,
  SlabAllocator,
  Tasks,
  toPhysAddr,
} from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import { CredWarnings } from "@kpkeys/cred-hardening";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, machine, settle } from "./machines.js";

/** Operations of a task on its credentials, and on tasks; `which` counts modulo the number of candidates. */
interface Op {
  readonly op:
    | "prepare"
    | "prepareProtected"
    | "commit"
    | "abort"
    | "override"
    | "access"
    | "revert"
    | "get"
    | "put"
    | "fork"
    | "thread"
    | "exec"
    | "exit"
    | "switch"
    | "read"
    | "synchronize"
    | "interrupt";
  readonly which: number;
  readonly cpu: number;
}

const op: fc.Arbitrary<Op> = fc.record({
  op: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Op["op"]>("prepare", "prepareProtected", "commit", "fork", "exit") },
    { weight: 2, arbitrary: fc.constantFrom<Op["op"]>("override", "access", "revert", "thread", "exec", "switch") },
    { weight: 1, arbitrary: fc.constantFrom<Op["op"]>("abort", "get", "put", "read", "synchronize", "interrupt") },
  ),
  which: fc.nat(15),
  cpu: fc.nat(2),
});

/** A machine under random operations, with an account of the references to each credential. */
class Run {
  readonly machine: Machine;
  readonly #tasks: Task[] = [];
  /** Prepared credentials, each with the one reference that its maker has. */
  readonly #prepared: number[] = [];
  /** References that no task holds. */
  readonly #references: number[] = [];
  /** The overrides of each task, innermost last. */
  readonly #overridden = new Map<Task, number[]>();
  /** CPUs with an RCU reader. */
  readonly #readers = new Set<number>();
  readonly #free: number;

  constructor(arch: string, cpus: number) {
    const memory = [{ bytes: 64 * 2 ** 20 }];
    this.machine = machine(arch, { features: ["pgtables", "cred"], cpus, memory, strict: true });
    settle(this.machine);
    this.#free = this.machine.get(PageAllocator).freePages;
    this.#create(0);
    this.machine.get(Tasks).switchTo(this.#tasks[0]!);
  }

  get #creds(): Creds {
    return this.machine.get(Creds);
  }

  get #current(): Task {
    return this.machine.get(Tasks).current;
  }

  get #isOverridden(): boolean {
    return (this.#overridden.get(this.#current)?.length ?? 0) > 0;
  }

  /** No commit inside an override. An idle task never exits and would keep its committed credential. */
  get #mayCommit(): boolean {
    return !this.#isOverridden && this.#tasks.includes(this.#current);
  }

  #create(flags: number): void {
    this.#tasks.push(this.machine.get(Tasks).create(undefined, flags));
  }

  #take(list: number[], which: number): number | undefined {
    return list.length === 0 ? undefined : list.splice(which % list.length, 1)[0];
  }

  #noteOverride(before: number): void {
    const task = this.#current;
    this.#overridden.set(task, [...(this.#overridden.get(task) ?? []), before]);
  }

  #revert(): void {
    const before = this.#overridden.get(this.#current)?.pop();
    if (before !== undefined) this.#creds.put(this.#creds.revert(toPhysAddr(before)));
  }

  apply({ op, which, cpu }: Op): void {
    const creds = this.#creds;
    switch (op) {
      case "prepare":
      case "prepareProtected":
        this.#prepared.push(creds[op]()!);
        break;
      case "commit":
        if (this.#mayCommit)
          this.#with(which, (cred) => {
            creds.commit(toPhysAddr(cred));
          });
        break;
      case "abort":
        this.#with(which, (cred) => {
          creds.abort(toPhysAddr(cred));
        });
        break;
      case "override":
        this.#with(which, (cred) => {
          this.#noteOverride(creds.override(creds.protect(toPhysAddr(cred))));
        });
        break;
      case "access":
        this.#noteOverride(creds.accessOverride()!);
        break;
      case "revert":
        this.#revert();
        break;
      case "get":
        creds.get(creds.real());
        this.#references.push(creds.real());
        break;
      case "put": {
        const cred = this.#take(this.#references, which);
        if (cred !== undefined) creds.put(toPhysAddr(cred));
        break;
      }
      case "fork":
        this.#create(0);
        break;
      case "thread":
        // Sharing the override's credential would need references that the override does not hold.
        if (!this.#isOverridden) this.#create(CloneFlag.THREAD);
        break;
      case "exec":
        if (this.#mayCommit) this.#exec();
        break;
      case "exit":
        this.#exit(which);
        break;
      case "switch":
        this.#switch(which, cpu);
        break;
      case "read":
        this.#read();
        break;
      case "synchronize":
        if (this.#readers.size === 0) this.machine.get(Rcu).synchronize();
        break;
      case "interrupt":
        this.machine.get(Exceptions).interrupt(
          () => {
            creds.get(creds.real());
          },
          () => {
            creds.put(creds.real());
          },
        );
    }
  }

  #with(which: number, use: (cred: number) => void): void {
    const cred = this.#take(this.#prepared, which);
    if (cred !== undefined) use(cred);
  }

  /** Of execve only what it does to credentials: these tasks have no address space. */
  #exec(): void {
    this.#creds.commit(this.#creds.prepare()!);
  }

  /** No task exits inside an override, and no task is switched out inside a reader. */
  #exit(which: number): void {
    const task = this.#tasks[which % Math.max(1, this.#tasks.length)];
    if (task === undefined || (this.#overridden.get(task)?.length ?? 0) > 0 || this.#readers.size > 0) return;
    this.#tasks.splice(this.#tasks.indexOf(task), 1);
    this.machine.get(Tasks).exit(task);
  }

  #switch(which: number, cpu: number): void {
    const { cpus } = this.machine;
    if (this.#readers.size > 0 || this.#tasks.length === 0) return;
    cpus.current = cpus.all[cpu % cpus.all.length]!;
    this.machine.get(Tasks).switchTo(this.#tasks[which % this.#tasks.length]!);
  }

  #read(): void {
    const { id } = this.machine.cpus.current;
    const rcu = this.machine.get(Rcu);
    if (this.#readers.delete(id)) rcu.readUnlock();
    else {
      this.#readers.add(id);
      rcu.readLock();
    }
  }

  usage(cred: number): number {
    this.machine.get(KernelMemory).load(toPhysAddr(cred + CRED.usage), "test");
    return this.machine.get(KernelMemory).valueLow;
  }

  /** After each operation: closed in the DEFAULT context, counted exactly, and no CPU privileged. */
  check(): void {
    const { machine } = this;
    const tasks = [...machine.get(Tasks).all];
    for (const cred of new Set(tasks.flatMap(({ cred, realCred }) => [cred, realCred]))) {
      const memory = machine.get(KernelMemory);
      memory.load(toPhysAddr(cred + CRED.uid), "test");
      const { high, low } = memory.linearAddress(toPhysAddr(cred + CRED.uid));
      const { valueHigh, valueLow } = memory;
      const errno = machine
        .get(Exceptions)
        .copyToKernelNofault({ high, low }, toBytes({ high: valueHigh, low: valueLow }, "little"));
      expect(errno).toBeLessThan(0);
    }
    const expected = new Map<number, number>();
    const refer = (cred: number, count: number): void => void expected.set(cred, (expected.get(cred) ?? 0) + count);
    refer(this.#creds.init, 2);
    for (const { realCred } of tasks) refer(realCred, 2);
    for (const [task, before] of this.#overridden)
      for (const cred of [...before.slice(1), task.cred]) {
        if (before.length > 0) refer(cred, 1);
      }
    for (const cred of [...this.#prepared, ...this.#references]) refer(cred, 1);
    for (const [cred, count] of expected) expect(this.usage(cred)).toBe(count);
    const { high, low } = machine.get(Kpkeys).initialValue();
    for (const cpu of machine.cpus.all) expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([high, low]);
    expect(machine.get(CredWarnings)).toEqual([]);
  }

  /** Frees everything and looks for leaks. */
  finish(): void {
    const { machine } = this;
    expect(coverageOf(machine, machine.scan()).gaps).toEqual([]);
    expect(attack(machine, machine.scan()).gaps).toEqual([]);
    if (this.#readers.size > 0) this.#read();
    for (const task of [...this.#tasks]) {
      machine.get(Tasks).switchTo(task);
      while (this.#isOverridden) this.#revert();
    }
    while (this.#prepared.length > 0) this.apply({ op: "abort", which: 0, cpu: 0 });
    while (this.#tasks.length > 0) this.#exit(0);
    while (this.#references.length > 0) this.apply({ op: "put", which: 0, cpu: 0 });
    for (const cpu of machine.cpus.all) {
      machine.cpus.current = cpu;
      while (this.#isOverridden) this.#revert();
    }
    settle(machine);
    const caches = machine.get(SlabAllocator).caches.map(({ objectsInUse, slabs }) => ({ objectsInUse, slabs }));
    for (const cache of caches) expect(cache).toEqual({ objectsInUse: 0, slabs: 0 });
    expect(machine.get(PageAllocator).freePages).toBe(this.#free);
    expect(this.usage(this.#creds.init)).toBe(2 + 2 * machine.cpus.all.length);
  }
}

describe.each(ARCHES)("random operations on credentials on %s", (arch) => {
  it("no live one is ever open, every reference is counted, and none leaks", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(op, { maxLength: 60, size: "max" }), (cpus, ops) => {
        const run = new Run(arch, cpus);
        run.check();
        for (const each of ops) {
          run.apply(each);
          run.check();
        }
        run.finish();
      }),
      { numRuns: 15 },
    );
  });
});
