import { resolve } from "@kpkeys/core";
import { Errno, KernelRandom, Rcu, SlabAllocator, Tasks } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { boot, record } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { Process } from "../support/process.js";

const POINTS = ["taskCreated", "taskExec", "taskExited", "contextSwitch"] as const;

describe("features see the life of a task", () => {
  it("creation with the parent, exec, and exit when it runs on no CPU; nothing for idle tasks", () => {
    const calls: Call[] = [];
    const machine = boot({}, { attach: record(POINTS, calls) });
    const tasks = machine.get(Tasks);
    expect(calls).toEqual([]);
    const parent = tasks.create(undefined);
    tasks.switchTo(parent);
    const child = tasks.create(undefined);
    tasks.switchTo(child);
    tasks.exit(child);
    expect(calls).toEqual([
      ["taskCreated", parent.tid, 0],
      ["contextSwitch", 0, parent.tid],
      ["taskCreated", child.tid, parent.tid],
      ["contextSwitch", parent.tid, child.tid],
      ["contextSwitch", child.tid, 0],
      ["taskExited", child.tid],
    ]);
  });

  it("exec after the address space was replaced", () => {
    const seen: unknown[] = [];
    const machine = boot(
      {},
      {
        attach: (points, container) => {
          points.on("taskExec", (tid) => void seen.push(tid, resolve(container, Tasks).current.mm));
        },
      },
    );
    const { tasks, spaces } = new Process(machine);
    const next = spaces.create();
    tasks.exec(tasks.current, next);
    expect(seen).toEqual([tasks.current.tid, next]);
  });

  it("a handler's error undoes the creation: all features see the end, and no credential leaks", () => {
    const calls: Call[] = [];
    const machine = boot(
      {},
      {
        attach: (points) => {
          record(["taskCreated"], calls)(points);
          points.on("taskCreated", () => Errno.ENOMEM);
          record(["taskCreated", "taskExited"], calls)(points);
        },
      },
    );
    const tasks = machine.get(Tasks);
    const before = [...tasks.all];
    expect(() => tasks.create(undefined)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }) as Error);
    expect([...tasks.all]).toEqual(before);
    machine.get(Rcu).synchronize();
    expect(machine.get(SlabAllocator).caches.map(({ objectsInUse }) => objectsInUse)).toEqual([0]);
    const tid = before.length;
    expect(calls).toEqual([
      ["taskCreated", tid, 0],
      ["taskExited", tid],
    ]);
  });
});

describe("the kernel's random numbers", () => {
  it("follow from the seed of the machine", () => {
    const draw = (seed: number): number[] => {
      const random = boot({ seed }).get(KernelRandom);
      return [random.word(), random.word()];
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const [first, second] = draw(1);
    expect(first).not.toBe(second);
  });
});
