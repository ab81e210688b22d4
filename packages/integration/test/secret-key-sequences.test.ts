import {
  AddressSpaces,
  CloneFlag,
  CpuPower,
  Exceptions,
  KernelMemory,
  Kpkeys,
  PageAllocator,
  PhysicalMemory,
  Tasks,
  toPfn,
} from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { ALL_KEYS, SECRETS, ThreadSecrets } from "@kpkeys/secret-keys";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, machine, settle } from "./machines.js";

/** Operations of the kernel on threads; `which` counts modulo the number of candidates. */
interface Op {
  readonly op: "fork" | "thread" | "exec" | "exit" | "switch" | "idle" | "reset" | "interrupt" | "suspend";
  readonly which: number;
  readonly cpu: number;
}

const op: fc.Arbitrary<Op> = fc.record({
  op: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Op["op"]>("fork", "thread", "switch", "exit") },
    { weight: 1, arbitrary: fc.constantFrom<Op["op"]>("exec", "idle", "reset", "interrupt", "suspend") },
  ),
  which: fc.nat(63),
  cpu: fc.nat(3),
});

const USER = SECRETS.kernel / 4;
const KEY = SECRETS.key / 4;

/** A machine under random operations, with the keys that each task must have. */
class Run {
  readonly machine: Machine;
  readonly #tasks: Task[] = [];
  readonly #expected = new Map<number, readonly number[]>();
  readonly #free: number;

  constructor(arch: string, cpus: number, features: readonly string[]) {
    this.machine = machine(arch, { features, cpus, memory: [{ bytes: 64 * 2 ** 20 }], strict: true });
    settle(this.machine);
    this.#free = this.machine.get(PageAllocator).freePages;
    for (const { tid } of this.machine.get(Tasks).all) this.#expected.set(tid, this.#stored(tid));
  }

  get #current(): Task {
    return this.machine.get(Tasks).current;
  }

  /** The words of a task's slot in physical memory, without page tables and keys. */
  #stored(tid: number): number[] {
    const { pageBytes } = this.machine.get(KernelMemory);
    const slot = this.machine.get(ThreadSecrets).slotOf(tid)!;
    const first = (slot % pageBytes) / 8;
    return Array.from({ length: SECRETS.slot / 8 }, (_, word) =>
      this.machine.get(PhysicalMemory).read(toPfn(Math.floor(slot / pageBytes)), first + word),
    ).flatMap(({ high, low }) => [low, high]);
  }

  /** Creates a task: the user keys of its parent, and a kernel key that no other task has. */
  #create(flags: number): void {
    const spaces = this.machine.get(AddressSpaces);
    const parent = this.#expected.get(this.#current.tid)!;
    const task = this.machine.get(Tasks).create(spaces.create(), flags);
    const keys = this.#stored(task.tid);
    expect(keys.slice(0, USER)).toEqual(parent.slice(0, USER));
    const kernelKeys = [...this.#expected.values(), keys].map((words) => words.slice(USER, USER + KEY).join());
    expect(new Set(kernelKeys).size).toBe(kernelKeys.length);
    this.#expected.set(task.tid, keys);
    this.#tasks.push(task);
  }

  /** Notes new user keys of a task: each key of the mask changed, and no other. */
  #noteRenewed(tid: number, mask: number): void {
    const before = this.#expected.get(tid)!;
    const after = this.#stored(tid);
    for (let key = 0; key * KEY < after.length; key++) {
      const [old, now] = [before, after].map((words) => words.slice(key * KEY, (key + 1) * KEY).join());
      expect([key, old === now]).toEqual([key, (mask & (1 << key)) === 0]);
    }
    this.#expected.set(tid, after);
  }

  #exit(which: number): void {
    const [task] = this.#tasks.length === 0 ? [] : this.#tasks.splice(which % this.#tasks.length, 1);
    if (task === undefined) return;
    this.machine.get(Tasks).exit(task);
    this.#expected.delete(task.tid);
  }

  apply({ op, which, cpu }: Op): void {
    const { machine } = this;
    const tasks = machine.get(Tasks);
    const task = this.#tasks[which % Math.max(1, this.#tasks.length)];
    const here = machine.cpus.all[cpu % machine.cpus.all.length]!;
    switch (op) {
      case "fork":
      case "thread":
        this.#create(op === "fork" ? 0 : CloneFlag.THREAD);
        break;
      case "exec":
        if (!this.#tasks.includes(this.#current)) return;
        tasks.exec(this.#current, machine.get(AddressSpaces).create());
        this.#noteRenewed(this.#current.tid, ALL_KEYS);
        break;
      case "exit":
        this.#exit(which);
        break;
      case "switch":
        machine.cpus.current = here;
        if (task !== undefined) tasks.switchTo(task);
        break;
      case "idle":
        tasks.switchTo([...tasks.all].find(({ tid }) => tid === machine.cpus.current.id)!);
        break;
      case "reset":
        expect(machine.get(ThreadSecrets).resetKeys(which & ALL_KEYS)).toBe(0);
        this.#noteRenewed(this.#current.tid, (which & ALL_KEYS) === 0 ? ALL_KEYS : which & ALL_KEYS);
        break;
      case "interrupt":
        machine.get(Exceptions).interrupt(
          () => undefined,
          () => {
            if (task !== undefined) tasks.switchTo(task);
          },
        );
        break;
      case "suspend":
        machine.get(CpuPower).suspend(here.id);
        machine.get(CpuPower).resume(here.id);
    }
  }

  /** After each operation: every slot is as expected, every CPU has the keys of its task, and no CPU has more rights. */
  check(): void {
    const { machine } = this;
    const secrets = machine.get(ThreadSecrets);
    const tids = [...machine.get(Tasks).all].map(({ tid }) => tid);
    expect([...this.#expected.keys()].sort()).toEqual(tids.sort());
    expect(secrets.threads).toBe(tids.length);
    for (const [tid, words] of this.#expected) expect(this.#stored(tid)).toEqual(words);
    const before = machine.cpus.current;
    const { high, low } = machine.get(Kpkeys).initialValue();
    for (const cpu of machine.cpus.all) {
      machine.cpus.current = cpu;
      const words = this.#expected.get(this.#current.tid)!.slice(0, SECRETS.size / 4);
      expect([...secrets.installed(cpu.id)]).toEqual(words);
      expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([high, low]);
    }
    machine.cpus.current = before;
  }

  /** Ends all threads and looks for leaks. */
  finish(): void {
    const { machine } = this;
    expect(coverageOf(machine, machine.scan()).gaps).toEqual([]);
    while (this.#tasks.length > 0) this.#exit(0);
    this.check();
    settle(machine);
    expect(machine.get(PageAllocator).freePages).toBe(this.#free);
  }
}

describe.each(ARCHES)("random operations on threads on %s", (arch) => {
  it.each([[["secrets"]], [["pgtables", "cred", "secrets"]]])(
    "each CPU has the keys of its task, with %j",
    (features) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 4 }), fc.array(op, { maxLength: 80, size: "max" }), (cpus, ops) => {
          const run = new Run(arch, cpus, features);
          run.check();
          for (const each of ops) {
            run.apply(each);
            run.check();
          }
          run.finish();
        }),
        { numRuns: 8 },
      );
    },
  );
});
