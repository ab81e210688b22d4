import { Access, Kpkeys, LazyMmu, MapFlag, PageAllocator, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import { coverageOf, digestTables } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES, hardened, settle } from "./machines.js";
import { Process } from "./process.js";

/** Where the tests map: 64 MiB at a place with neighbours in the same tables. */
const BASE = 0x7f00_0000_0;
const RANGE = 16384;
const ANONYMOUS = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
const RW = Prot.READ | Prot.WRITE;

describe.each(ARCHES)("a process on %s", (arch) => {
  it("takes one fault for a page and none for it again", () => {
    const process = new Process(hardened(arch));
    process.spaces.mmap(process.mm, toVpn(BASE), 4, RW, ANONYMOUS);
    expect(process.touch(BASE, Access.WRITE)).toBe(1);
    expect(process.touch(BASE, Access.WRITE)).toBe(0);
    expect(process.mm.tablePages).toBe(3);
  });

  it("gets -EFAULT where nothing is mapped or the mapping does not allow the access", () => {
    const process = new Process(hardened(arch));
    process.spaces.mmap(process.mm, toVpn(BASE), 1, Prot.READ, ANONYMOUS);
    expect(process.touch(BASE + 1, Access.READ)).toBeUndefined();
    expect(process.touch(BASE, Access.WRITE)).toBeUndefined();
    expect(process.touch(BASE, Access.FETCH)).toBeUndefined();
    expect(process.touch(BASE, Access.READ)).toBe(1);
  });

  it("has the rights that prot names; mprotect refuses any other bit", () => {
    const { spaces, mm } = new Process(hardened(arch));
    expect(spaces.mmap(mm, toVpn(BASE), 1, -4096, ANONYMOUS)).toBe(0);
    expect(spaces.protectionAt(mm, toVpn(BASE))).toBe(0);
    expect(spaces.mprotect(mm, toVpn(BASE), 1, Prot.READ | 16)).toBe(-22);
    expect(spaces.mprotect(mm, toVpn(BASE), 1, Prot.READ | 8)).toBe(0);
    expect(spaces.protectionAt(mm, toVpn(BASE))).toBe(Prot.READ);
  });

  it("maps sixteen pages of a file around a read, and none beyond the mapping", () => {
    const process = new Process(hardened(arch));
    process.spaces.mmap(process.mm, toVpn(BASE + 3), 40, Prot.READ, MapFlag.PRIVATE);
    expect(process.touch(BASE + 20, Access.READ)).toBe(1);
    expect(Array.from({ length: 16 }, (_, i) => process.touch(BASE + 16 + i, Access.READ))).toEqual(Array(16).fill(0));
    expect(process.touch(BASE + 15, Access.READ)).toBe(1);
    expect(process.touch(BASE + 3, Access.READ)).toBe(0);
    expect(process.touch(BASE + 2, Access.READ)).toBeUndefined();
  });

  it("copies a page on the first write after fork, on either side, and reuses the last one", () => {
    const process = new Process(hardened(arch));
    const free = process.machine.get(PageAllocator);
    process.spaces.mmap(process.mm, toVpn(BASE), 1, RW, ANONYMOUS);
    process.touch(BASE, Access.WRITE);
    const parent = process.task;
    const child = process.tasks.create(process.spaces.fork(parent.mm!));
    const afterFork = free.freePages;
    expect(process.touch(BASE, Access.READ)).toBe(0);
    expect(process.touch(BASE, Access.WRITE)).toBe(1);
    expect(afterFork - free.freePages).toBe(1);
    process.task = child;
    process.tasks.switchTo(child);
    expect(process.touch(BASE, Access.WRITE)).toBe(1);
    expect(afterFork - free.freePages).toBe(1);
  });

  it("frees the tables of a range at munmap unless a neighbour still uses them", () => {
    const process = new Process(hardened(arch));
    for (const page of [BASE, BASE + 100, BASE + 512]) {
      process.spaces.mmap(process.mm, toVpn(page), 1, RW, ANONYMOUS);
      process.touch(page, Access.WRITE);
    }
    expect(process.mm.tablePages).toBe(4);
    process.spaces.munmap(process.mm, toVpn(BASE), 1);
    expect(process.mm.tablePages).toBe(4);
    process.spaces.munmap(process.mm, toVpn(BASE + 100), 1);
    expect(process.mm.tablePages).toBe(3);
    process.spaces.munmap(process.mm, toVpn(BASE + 512), 1);
    expect(process.mm.tablePages).toBe(0);
  });

  it("keeps a table that a neighbour below or above still uses, in either order", () => {
    for (const goes of [0, 200]) {
      const process = new Process(hardened(arch));
      for (const page of [BASE, BASE + 200]) {
        process.spaces.mmap(process.mm, toVpn(page), 1, RW, ANONYMOUS);
        process.touch(page, Access.WRITE);
      }
      process.spaces.munmap(process.mm, toVpn(BASE + goes), 1);
      expect(process.touch(BASE + 200 - goes, Access.WRITE)).toBe(0);
      expect(process.mm.tablePages).toBe(3);
    }
  });

  it("grows a stack downward, but only within its limit", () => {
    const process = new Process(hardened(arch));
    process.spaces.mmap(process.mm, toVpn(BASE), 1, RW, ANONYMOUS | MapFlag.GROWSDOWN);
    expect(process.touch(BASE - 40, Access.WRITE)).toBe(1);
    expect(process.touch(BASE - 5000, Access.WRITE)).toBeUndefined();
  });

  it("moves whole tables when mremap moves aligned ranges, and the pages stay mapped", () => {
    const process = new Process(hardened(arch));
    process.spaces.mmap(process.mm, toVpn(BASE), 1024, RW, ANONYMOUS);
    process.touch(BASE + 5, Access.WRITE);
    process.touch(BASE + 700, Access.WRITE);
    const before = process.machine.counters();
    expect(process.spaces.mremap(process.mm, toVpn(BASE), 1024, toVpn(BASE + 4096), 2048)).toBe(0);
    const after = process.machine.counters();
    expect(after.writesBySetter.set_pte - before.writesBySetter.set_pte).toBe(0);
    expect(process.touch(BASE + 4096 + 5, Access.WRITE)).toBe(0);
    expect(process.touch(BASE + 4096 + 700, Access.WRITE)).toBe(0);
    expect(process.touch(BASE + 5, Access.WRITE)).toBeUndefined();
  });

  it("a thread keeps its key register over a switch in the middle of a context", () => {
    const { machine, tasks, task } = new Process(hardened(arch));
    const kpkeys = machine.get(Kpkeys);
    const other = tasks.create(undefined);
    const value = (): number => machine.cpus.current.pkeyRegisterLow;
    const closed = value();
    const state = kpkeys.enterContext("PGTABLES");
    const open = value();
    tasks.switchTo(other);
    expect(value()).toBe(closed);
    tasks.switchTo(task);
    expect(value()).toBe(open);
    kpkeys.leaveContext(state);
    expect(value()).toBe(closed);
  });

  it("a lazy MMU section switches once, however deep it is nested", () => {
    const { machine } = new Process(hardened(arch));
    const lazy = machine.get(LazyMmu);
    const before = machine.counters().registerWrites;
    lazy.enable();
    lazy.enable();
    expect(machine.counters().registerWrites - before).toBe(1);
    lazy.disable();
    expect(machine.counters().registerWrites - before).toBe(1);
    lazy.disable();
    expect(machine.counters().registerWrites - before).toBe(2);
  });
});

/** One step of a random life; pages are relative to {@link BASE}, lengths in pages. */
type Step =
  | {
      readonly op: "mmap";
      readonly page: number;
      readonly pages: number;
      readonly prot: number;
      readonly flags: number;
    }
  | {
      readonly op: "munmap" | "mprotect" | "madvise";
      readonly page: number;
      readonly pages: number;
      readonly prot: number;
    }
  | {
      readonly op: "mremap";
      readonly page: number;
      readonly pages: number;
      readonly to: number;
      readonly newPages: number;
    }
  | { readonly op: "touch"; readonly page: number; readonly access: Access }
  | { readonly op: "fork" | "exit" | "switch"; readonly which: number };

const page = fc.nat({ max: RANGE - 1 });
const pages = fc.integer({ min: 1, max: 1500 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    op: fc.constant("mmap" as const),
    page,
    pages,
    prot: fc.nat({ max: 7 }),
    flags: fc.constantFrom(
      ANONYMOUS,
      MapFlag.PRIVATE,
      MapFlag.SHARED,
      ANONYMOUS | MapFlag.POPULATE,
      ANONYMOUS | MapFlag.GROWSDOWN,
    ),
  }),
  fc.record({
    op: fc.constantFrom("munmap" as const, "mprotect" as const, "madvise" as const),
    page,
    pages,
    prot: fc.nat({ max: 7 }),
  }),
  fc.record({ op: fc.constant("mremap" as const), page, pages, to: page, newPages: pages }),
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("touch" as const),
      page,
      access: fc.constantFrom(Access.READ, Access.WRITE, Access.FETCH),
    }),
  },
  fc.record({ op: fc.constantFrom("fork" as const, "exit" as const, "switch" as const), which: fc.nat({ max: 9 }) }),
);

/** Lives a random life: the machine's tasks after it, alive ones only. */
function live(machine: Machine, steps: readonly Step[]): Task[] {
  const process = new Process(machine);
  const { spaces, tasks } = process;
  const alive = [process.task];

  function switchTasks({ op, which }: Extract<Step, { readonly which: number }>): void {
    const chosen = alive[which % alive.length]!;
    if (op === "fork") alive.push(tasks.create(spaces.fork(chosen.mm!)));
    if (op === "exit" && alive.length > 1) {
      alive.splice(alive.indexOf(chosen), 1);
      tasks.exit(chosen);
    }
    process.task = alive.includes(chosen) ? chosen : alive[0]!;
    tasks.switchTo(process.task);
  }

  for (const each of steps) {
    if ("which" in each) {
      switchTasks(each);
      continue;
    }
    const { mm } = process;
    const first = BASE + each.page;
    if (each.op === "mmap") spaces.mmap(mm, toVpn(first), each.pages, each.prot, each.flags);
    else if (each.op === "munmap") spaces.munmap(mm, toVpn(first), each.pages);
    else if (each.op === "mprotect") spaces.mprotect(mm, toVpn(first), each.pages, each.prot);
    else if (each.op === "madvise") spaces.madvise(mm, toVpn(first), each.pages, [4, 8, 20, 21][each.prot % 4]!);
    else if (each.op === "touch") process.touch(first, each.access);
    else if ("to" in each && spaces.protectionAt(mm, toVpn(first)) !== undefined) {
      spaces.mremap(mm, toVpn(first), 1, toVpn(BASE + 2 * RANGE + each.to), each.newPages);
    }
  }
  return alive;
}

describe.each(ARCHES)("random operations of processes on %s", (arch) => {
  const property = (check: (steps: readonly Step[]) => void): void => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), check), { numRuns: runs(25) });
  };

  it("no table page is left open, none is unknown, and each process counts its own", () => {
    property((steps) => {
      const machine = hardened(arch);
      const alive = live(machine, steps);
      const tables = machine.scan();
      const coverage = coverageOf(machine, tables);
      expect(coverage.gaps).toEqual([]);
      expect(coverage.bySource.unknown.pages).toBe(0);
      const below = alive.reduce((sum, { mm }) => sum + mm!.tablePages, 0);
      expect(coverage.bySource.user.pages).toBe(below + alive.length);
      expect(machine.cpus.current.pkeyRegisterLow).toBe(machine.get(Kpkeys).initialValue().low);
    });
  });

  it("no page is leaked when all have ended", () => {
    property((steps) => {
      const machine = hardened(arch);
      const { freePages } = machine.get(PageAllocator);
      for (const task of live(machine, steps)) machine.get(Tasks).exit(task);
      settle(machine);
      expect(machine.get(PageAllocator).freePages).toBe(freePages);
    });
  });

  it("switching per setter and per section end in the same tables", () => {
    property((steps) => {
      const [naive, batched] = [false, true].map((batching) => {
        const machine = hardened(arch, { batching });
        live(machine, steps);
        return { digest: digestTables(machine.memory, machine.scan()), counters: machine.counters() };
      });
      expect(batched!.digest).toBe(naive!.digest);
      expect(batched!.counters.tableWrites).toBe(naive!.counters.tableWrites);
      expect(batched!.counters.registerWrites).toBeLessThanOrEqual(naive!.counters.registerWrites);
    });
  });
});
