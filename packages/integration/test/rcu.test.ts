import { KernelMemory, KpkeysArch, Rcu, SlabAllocator, Tasks, toPhysAddr } from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, machine, settle } from "./machines.js";

interface Op {
  readonly op: "call" | "lock" | "unlock" | "switch" | "idle" | "synchronize";
  readonly cpu: number;
}

const ops = fc.array(
  fc.record<Op>({
    op: fc.constantFrom("call", "call", "lock", "unlock", "switch", "switch", "idle", "synchronize"),
    cpu: fc.nat(2),
  }),
  { maxLength: 60, size: "max" },
);

/** Does the operations; the log records when each callback ran, by the operation's index. */
function carryOut(arch: string, steps: readonly Op[]): { readonly log: readonly [id: number, at: number][] } {
  const booted = machine(arch, { cpus: 3, memory: [{ bytes: 64 * 2 ** 20 }] });
  const rcu = booted.get(Rcu);
  const slab = booted.get(SlabAllocator);
  const tasks = booted.get(Tasks);
  const { cpus } = booted;
  const idle = cpus.all.map((cpu) => {
    cpus.current = cpu;
    return tasks.current;
  });
  const others = cpus.all.map(() => [tasks.create(undefined), tasks.create(undefined)] as const);
  settle(booted);
  const depth = cpus.all.map(() => 0);
  /** Readers that were there when a callback was queued, of those that still are. */
  const blockers = new Map<number, Set<number>>();
  const log: [number, number][] = [];
  const queued = new Map<number, number>();
  let now = 0;

  function ran(head: number): void {
    const id = queued.get(head)!;
    queued.delete(head);
    expect([...blockers.get(id)!]).toEqual([]);
    log.push([id, now]);
    slab.kfree(toPhysAddr(head));
  }

  function next(cpu: number): Task {
    const [one, other] = others[cpu]!;
    return tasks.current === one ? other : one;
  }

  steps.forEach(({ op, cpu }, at) => {
    now = at;
    cpus.current = cpus.all[cpu]!;
    if (op === "call") {
      const head = slab.kmalloc(32)!;
      blockers.set(at, new Set(depth.flatMap((levels, id) => (levels > 0 ? [id] : []))));
      queued.set(head, at);
      rcu.call(head, ran);
    } else if (op === "lock") {
      rcu.readLock();
      depth[cpu]!++;
    } else if (op === "unlock" && depth[cpu]! > 0) {
      rcu.readUnlock();
      if (--depth[cpu]! === 0) for (const those of blockers.values()) those.delete(cpu);
    } else if (op === "switch" && depth[cpu] === 0) tasks.switchTo(next(cpu));
    else if (op === "idle" && depth[cpu] === 0) tasks.switchTo(idle[cpu]!);
    else if (op === "synchronize") {
      if (depth.some((levels) => levels > 0))
        expect(() => {
          rcu.synchronize();
        }).toThrow("grace period");
      else {
        rcu.synchronize();
        expect(queued.size).toBe(0);
      }
    }
    expect(rcu.pending).toBe(queued.size);
  });
  cpus.all.forEach((cpu, id) => {
    cpus.current = cpu;
    while (depth[id]!-- > 0) rcu.readUnlock();
  });
  blockers.forEach((those) => {
    those.clear();
  });
  now = steps.length;
  rcu.synchronize();
  expect(queued.size).toBe(0);
  return { log };
}

describe.each(ARCHES)("RCU on %s", (arch) => {
  it("runs every callback once, in their order, never before the readers of before have ended, and always alike", () => {
    fc.assert(
      fc.property(ops, (steps) => {
        const { log } = carryOut(arch, steps);
        const calls = steps.flatMap(({ op }, at) => (op === "call" ? [at] : []));
        expect(log.map(([id]) => id)).toEqual(calls);
        expect(carryOut(arch, steps).log).toEqual(log);
      }),
      { numRuns: 15 },
    );
  });

  it("a grace period ends when every CPU has switched or is idle, and not before", () => {
    const booted = machine(arch, { cpus: 2 });
    const rcu = booted.get(Rcu);
    const tasks = booted.get(Tasks);
    const { cpus } = booted;
    const busy = [tasks.create(undefined), tasks.create(undefined), tasks.create(undefined)] as const;
    settle(booted);
    cpus.current = cpus.all[1]!;
    tasks.switchTo(busy[1]);
    cpus.current = cpus.all[0]!;
    tasks.switchTo(busy[0]);
    let ran = 0;
    rcu.call(booted.get(SlabAllocator).kmalloc(16)!, () => {
      ran++;
    });
    tasks.switchTo(busy[2]);
    expect(ran).toBe(0);
    cpus.current = cpus.all[1]!;
    expect(ran).toBe(0);
    tasks.switchTo(busy[0]);
    expect(ran).toBe(1);
  });

  it("a rcu_head that was overwritten is no function of the kernel's", () => {
    const booted = machine(arch);
    const head = booted.get(SlabAllocator).kmalloc(16)!;
    booted.get(Rcu).call(head, () => undefined);
    booted.get(KernelMemory).store(toPhysAddr(head + 8), 0, 0x1000, "attack");
    expect(() => {
      booted.get(Rcu).synchronize();
    }).toThrow("is corrupted");
  });

  it("switches the register for a callback only where a feature asks for it", () => {
    const writes = (features: readonly string[]): number => {
      const booted = machine(arch, { features });
      settle(booted);
      const { counters } = booted.get(KpkeysArch);
      const before = counters.registerWrites;
      booted.get(Rcu).call(booted.get(SlabAllocator).kmalloc(16)!, () => undefined);
      booted.get(Rcu).synchronize();
      return counters.registerWrites - before;
    };
    expect(writes([])).toBe(0);
    // Entering and leaving UNRESTRICTED, once to queue it and once to run it.
    expect(writes(["cred"])).toBe(4);
  });
});
