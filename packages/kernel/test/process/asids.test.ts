import { Access, FAULT, OK, Privilege, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../../vitest.runs.js";
import { KernelMm } from "../../src/process/mm.js";
import { boot, PAGE_SHIFT, staleTranslations } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

/** Number of ASIDs of the example architecture, including that of init_mm. */
const ASIDS = 256;

/** A machine with memory for a few hundred processes and a TLB that holds one translation for each. */
const large = {
  memory: [{ bytes: 256 * 1024 * 1024 }],
  options: { "odd-arch": { tlb: { sets: 8, ways: 512 } } },
};

/** Starts a process with one mapping. */
function start(process: Process): Task {
  process.run(process.tasks.create(process.spaces.create()));
  process.mmap(BASE, 4);
  return process.task;
}

/** Starts processes that exit immediately. */
function churn(process: Process, count: number): void {
  for (let i = 0; i < count; i++) process.tasks.exit(start(process));
}

describe("after all ASIDs were used", () => {
  it.each([ASIDS - 2, ASIDS - 1, ASIDS, 2 * ASIDS - 2])(
    "a process that starts %i processes later has no translation of another",
    (others) => {
      const process = new Process(boot());
      const first = start(process);
      expect(process.touch(BASE, Access.WRITE)).toBe(1);
      churn(process, others - 1);
      start(process);
      expect(process.touch(BASE, Access.WRITE)).toBe(1);
      expect(process.tables).toBe(2);
      process.run(first);
      expect(process.touch(BASE, Access.WRITE)).toBe(0);
      expect(staleTranslations(process.machine)).toBe(0);
    },
  );

  it("more processes than ASIDs exist at the same time", () => {
    const process = new Process(boot(large));
    const tasks = Array.from({ length: 2 * ASIDS + 1 }, () => start(process));
    for (const faults of [1, 0, 0]) {
      for (const task of tasks) {
        process.run(task);
        expect(process.touch(BASE, Access.WRITE)).toBe(faults);
      }
    }
    expect(staleTranslations(process.machine)).toBe(0);
  });

  it("each CPU flushes its TLB once, at its next switch, and the flush is counted", () => {
    const process = new Process(boot({ cpus: 2 }));
    const { cpus } = process.machine;
    const [here, other] = [cpus.all[0]!, cpus.all[1]!];
    cpus.current = other;
    const there = start(process);
    cpus.current = here;
    churn(process, ASIDS - 3);
    const before = process.machine.counters().tlbInvalidations;
    const dropped = [here, other].map(({ counters }) => counters.tlbInvalidations);
    process.run(process.tasks.create(process.spaces.create()));
    expect(process.machine.counters().tlbInvalidations).toBe(before + 1);
    expect(here.counters.tlbInvalidations).toBe(dropped[0]! + 1);
    expect(other.counters.tlbInvalidations).toBe(dropped[1]);
    cpus.current = other;
    start(process);
    process.run(there);
    expect(other.counters.tlbInvalidations).toBe(dropped[1]! + 1);
    expect(process.machine.counters().tlbInvalidations).toBe(before + 2);
  });

  it("a running process keeps its translations through rollovers", () => {
    const process = new Process(boot({ cpus: 2 }));
    const { cpus } = process.machine;
    cpus.current = cpus.all[1]!;
    const there = start(process);
    process.touch(BASE, Access.WRITE);
    cpus.current = cpus.all[0]!;
    churn(process, 3 * ASIDS);
    const { high, low } = wordsOf(toVpn(BASE), PAGE_SHIFT);
    const { walks } = cpus.all[1]!.counters;
    expect(cpus.all[1]!.access(high, low, Access.WRITE, Privilege.USER)).toBe(OK);
    expect(cpus.all[1]!.counters.walks).toBe(walks);
    // It has the same ASID on the first CPU, because other threads may still run on the second.
    const { asid } = KernelMm.of(there.mm!);
    process.run(there);
    expect(KernelMm.of(there.mm!).asid).toBe(asid);
    expect(process.touch(BASE, Access.WRITE)).toBe(0);
    churn(process, ASIDS / 2);
    expect(staleTranslations(process.machine)).toBe(0);
  });

  it("no CPU accesses a page that its process has not touched", () => {
    const machine = boot({ cpus: 3, ...large });
    const process = new Process(machine);
    const tasks = Array.from({ length: ASIDS + 40 }, () => start(process));
    const touched = new Map(tasks.map((task) => [task, new Set<number>()]));
    const step = fc.record({
      cpu: fc.nat(2),
      task: fc.nat(tasks.length - 1),
      run: fc.integer({ min: 1, max: 90 }),
      page: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        for (const { cpu, task, run, page } of steps) {
          machine.cpus.current = machine.cpus.all[cpu]!;
          for (let i = 0; i < run; i++) {
            process.run(tasks[(task + i) % tasks.length]!);
            const pages = touched.get(process.task)!;
            const { high, low } = wordsOf(toVpn(BASE + page), PAGE_SHIFT);
            const reached = machine.cpus.current.access(high, low, Access.WRITE, Privilege.USER);
            expect(reached).toBe(pages.has(page) ? OK : FAULT);
            if (i % 2 === 0) continue;
            process.touch(BASE + page, Access.WRITE);
            pages.add(page);
          }
        }
      }),
      { numRuns: runs(40) },
    );
  });
});
