import {
  Access,
  AddressSpaces,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SetMemory,
  Tasks,
  toLevel,
  toPfn,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { PluginOptions, Task } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Coverage, Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES, hardened } from "./machines.js";

const ANONYMOUS = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
/** A page of user space, far from others. */
const BASE = 0x7_0000_0000;

const openPages = ({ gaps }: Coverage): number => gaps.reduce((sum, { pages }) => sum + pages, 0);

/** A process with a page written. */
function newProcess(machine: Machine): Task {
  const spaces = machine.get(AddressSpaces);
  const tasks = machine.get(Tasks);
  const task = tasks.create(spaces.create());
  tasks.switchTo(task);
  spaces.mmap(task.mm!, toVpn(BASE), 1024, Prot.READ | Prot.WRITE, ANONYMOUS);
  touch(machine, task, BASE);
  return task;
}

function touch(machine: Machine, task: Task, page: number): void {
  machine.get(AddressSpaces).touch(task.mm!, toVpn(page), Access.WRITE, Privilege.USER);
}

/** Physical place of the entry that an address has in the table of a level. */
function entryAt(machine: Machine, task: Task, level: number, page: number): readonly [table: number, index: number] {
  const { table, index } = machine.get(PageTables).entryAt(task.mm!.root, toLevel(level), toVpn(page))!;
  return [table, index];
}

describe.each(ARCHES)("a table linked without the kernel on %s", (arch) => {
  it("is found by the scan and by the watch, as a table of unknown source, and open", () => {
    const machine = hardened(arch);
    const task = newProcess(machine);
    const watch = machine.watch();
    expect(watch.look()).toBe(false);
    const [pmd, index] = entryAt(machine, task, 2, BASE + 0x20000);
    const pfn = machine.get(PageAllocator).alloc(0)!;
    const entry = machine.get(PageTableFormat).makeTable(pfn, true);
    machine.memory.writeEntry(toPfn(pmd), index, entry);

    expect(watch.look()).toBe(true);
    expect(watch.open).toBe(1);
    const { gaps, bySource } = coverageOf(machine, machine.scan());
    expect(gaps).toEqual([expect.objectContaining({ source: "unknown", level: "pte", mapping: "linear", table: pfn })]);
    expect(bySource.unknown.pages).toBe(1);
    machine.memory.writeEntry(toPfn(pmd), index, { high: 0, low: 0 });
    expect(watch.look()).toBe(true);
    expect(watch.open).toBe(0);
  });

  it("and so is a second mapping of a table, from any source", () => {
    const machine = hardened(arch);
    const task = newProcess(machine);
    const watch = machine.watch();
    watch.look();
    const [pte, index] = entryAt(machine, task, 3, BASE + 7);
    const format = machine.get(PageTableFormat);
    const entry = format.makeLeaf(toLevel(3), toPfn(pte), format.protections.PAGE_SHARED);
    machine.memory.writeEntry(toPfn(pte), index, entry);
    expect(watch.look()).toBe(true);
    const { gaps } = coverageOf(machine, machine.scan());
    expect(gaps).toEqual([expect.objectContaining({ source: "user", mapping: "other", table: pte })]);
  });
});

/** Operations between two checks. */
type Step = readonly [op: number, page: number, pages: number];
const steps = fc.array(fc.tuple(fc.nat(9), fc.nat(4000), fc.integer({ min: 1, max: 600 })), { maxLength: 25 });

function live(machine: Machine, alive: Task[], [op, page, pages]: Step): void {
  const spaces = machine.get(AddressSpaces);
  const tasks = machine.get(Tasks);
  const task = alive[page % alive.length]!;
  const mm = task.mm!;
  tasks.switchTo(task);
  if (op === 0) spaces.mmap(mm, toVpn(BASE + page), pages, Prot.READ | Prot.WRITE, ANONYMOUS | MapFlag.POPULATE);
  if (op === 1) spaces.munmap(mm, toVpn(BASE + page), pages);
  if (op === 2) spaces.mprotect(mm, toVpn(BASE + page), pages, Prot.READ);
  if (op === 3) touch(machine, task, BASE + page);
  if (op === 4) alive.push(tasks.create(spaces.fork(mm)));
  if (op === 5 && alive.length > 1) {
    alive.splice(alive.indexOf(task), 1);
    tasks.exit(task);
  }
  if (op === 6) machine.get(Vmalloc).alloc(pages);
  if (op === 7) machine.get(SetMemory).setDirectMapInvalid(machine.get(PageAllocator).alloc(0)!);
  if (op === 8 && spaces.protectionAt(mm, toVpn(BASE + page)) !== undefined)
    spaces.mremap(mm, toVpn(BASE + page), 1, toVpn(BASE + 9000 + page), 1);
  // A raw store: the first word of a table that the scan finds.
  if (op === 9) {
    const tables = machine.scan().filter(({ source }) => source === "user");
    const { pfn } = tables[page % tables.length]!;
    machine.memory.writeEntry(pfn, pages % 256, { high: 0, low: 0 });
  }
}

describe.each(ARCHES)("the watch on %s", (arch) => {
  it("reports after any work what a whole scan reports", () => {
    const options: PluginOptions[] = [{}, { tagging: "ctor-missing-kernel", staticAliases: "linear" }];
    fc.assert(
      fc.property(fc.constantFrom(...options), steps, (pgtables, work) => {
        const machine = hardened(arch, pgtables);
        const alive = [newProcess(machine)];
        const watch = machine.watch();
        let known = "";
        for (const step of work) {
          live(machine, alive, step);
          const changed = watch.look();
          const coverage = coverageOf(machine, machine.scan());
          expect([watch.tables, watch.open]).toEqual([coverage.pages, openPages(coverage)]);
          const gaps = JSON.stringify(coverage.gaps);
          if (!changed && known !== "") expect(gaps).toBe(known);
          known = gaps;
        }
      }),
      { numRuns: runs(15) },
    );
  });
});
