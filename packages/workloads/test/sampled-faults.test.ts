import { AddressSpaces, Prot, Tasks } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, test } from "vitest";
import { EventKind, TraceEvent } from "../src/reader/event.js";
import { Operations } from "../src/replay/operations.js";
import { AREA, machine, PAGE, STACK } from "./support.js";

const TID = 7;

/** Replays single events. */
class Replay {
  readonly machine: Machine = machine();
  readonly operations: Operations = new Operations(this.machine, () => undefined);

  event(kind: keyof typeof EventKind, ...args: number[]): void {
    const event = new TraceEvent();
    event.kind = EventKind[kind];
    event.tid = TID;
    args.forEach((value, slot) => {
      event.argHigh[slot] = Math.floor(value / 2 ** 32);
      event.argLow[slot] = value | 0;
    });
    this.operations.replay(event);
  }

  mmap(address: number, pages: number, prot: number): void {
    this.event("sys_enter_mmap", 0, pages * PAGE, prot, 0x22, 0, 0);
    this.event("sys_exit_mmap", address);
  }

  /** Faults that the kernel handled, and page entries that it wrote. */
  get work(): readonly [faults: number, entries: number] {
    const { userFaults, writesBySetter } = this.machine.counters();
    return [userFaults, writesBySetter.set_pte];
  }

  get tables(): number {
    return [...this.machine.get(AddressSpaces).all].reduce((sum, { tablePages }) => sum + tablePages, 0);
  }
}

/** A replay of a program after its execve. */
function begun(): Replay {
  const replay = new Replay();
  replay.event("sched_process_exec", TID, TID);
  return replay;
}

describe("a sample of a page fault", () => {
  test("is a write if the mapping allows writes, so that no second fault follows", () => {
    const replay = begun();
    replay.mmap(AREA, 1, Prot.READ | Prot.WRITE);
    replay.event("page_fault", AREA + 0x110);
    const [faults] = replay.work;
    replay.event("page_fault_user", AREA, 0, 6);
    expect(replay.work[0]).toBe(faults);
    expect(replay.operations.faults.counts.alreadyMapped).toBe(1);
  });

  test.each([Prot.READ, Prot.EXEC])("is a read or a fetch in a mapping with protection %i", (prot) => {
    const replay = begun();
    replay.mmap(AREA, 1, prot);
    replay.event("page_fault", AREA);
    expect(replay.operations.faults.counts).toEqual({ alreadyMapped: 0, inferredMappings: 0, unexplainedFaults: 0 });
    expect(replay.tables).toBe(2);
  });

  test("maps a stack in the stack area, and a page of an image elsewhere", () => {
    const replay = begun();
    replay.event("page_fault", STACK + 2047 * PAGE);
    // The page above, which execve filled, is in another table.
    expect(replay.tables).toBe(3);
    replay.event("page_fault", AREA);
    expect(replay.operations.faults.counts).toMatchObject({ inferredMappings: 2, unexplainedFaults: 0 });
  });

  test("during execve outside the old program's mappings is one of the new program", () => {
    const replay = begun();
    replay.mmap(AREA, 1, Prot.READ | Prot.WRITE);
    replay.event("sys_enter_execve", 1, 1, 1);
    replay.event("page_fault", AREA);
    expect(replay.operations.faults.counts.inferredMappings).toBe(0);
    replay.event("page_fault", STACK);
    replay.event("sched_process_exec", TID, TID);
    const [task] = [...replay.machine.get(Tasks).all].filter(({ mm }) => mm !== undefined);
    expect(task!.mm!.tablePages).toBe(2);
    expect([...replay.machine.get(AddressSpaces).all]).toHaveLength(1);
  });
});
