import { Exceptions, LazyMmu, LinearMap, PageTables, SetMemory, Tasks, toPkey } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { liveRights, oopsIn } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { allocTable } from "../setup.js";

/** The rights on table pages at the end of a lazy MMU section. */
function afterSection(machine: Machine, done: string): Omit<Finding, "seen"> {
  const { text, ...rights } = liveRights(machine, tablePkey(machine));
  return { evidence: `${done}; after the section ${text}`, facts: { rights } };
}

/** An interrupt arrives inside a lazy MMU section, and its handler frees a table page. */
function freeInInterrupt({ machine, step }: Scene): Finding {
  const tables = machine.get(PageTables);
  const table = allocTable(machine, "kernel");
  const lazy = machine.get(LazyMmu);
  step("a lazy MMU section begins");
  lazy.enable();
  return oopsIn(
    machine,
    () => {
      step("an interrupt arrives");
      machine.get(Exceptions).interrupt(() => {
        step("its handler frees a table page, which resets the key of the page");
        tables.freeTable(table);
      });
      step("the section ends");
      lazy.disable();
    },
    () => afterSection(machine, `page ${table} was freed in the interrupt`),
  );
}

const batchingInInterrupt: Exhibit = {
  id: "batching-in-interrupt",
  title: "setters in an interrupt relied on the interrupted lazy MMU section",
  series: "v4→v5",
  citation: "RFC v5 changelog, patch 18: disable batching while in interrupt",
  story:
    "Inside a lazy MMU section setters do not switch the register, because the section did. v4 reset the register on exception entry but left the thread flag of the section set: a handler that freed a table page skipped the switch and had no privilege.",
  fix: "Setters check whether they run in interrupt, and switch the register there.",
  detector: "oops",
  policies: { kernel: { exceptionEntry: "reset" } },
  red: { policies: { pgtables: { batchingInInterrupt: true } }, run: freeInInterrupt },
  green: { run: freeInInterrupt },
};

/**
 * A thread in a lazy MMU section is interrupted and rescheduled on the irq-exit path. When it runs again the exception has not
 * returned yet, and the thread changes an attribute of the linear map.
 */
function changeLinearMapOnIrqExit({ machine, step }: Scene): Finding {
  const tasks = machine.get(Tasks);
  const lazy = machine.get(LazyMmu);
  const [first, second] = [tasks.create(undefined), tasks.create(undefined)];
  const page = machine.get(LinearMap).pageOf(allocTable(machine, "kernel"));
  tasks.switchTo(first);
  step(`task ${first.tid} begins a lazy MMU section`);
  lazy.enable();
  return oopsIn(
    machine,
    () => {
      step("an interrupt arrives");
      machine.get(Exceptions).interrupt(
        () => undefined,
        () => {
          step(`on the irq-exit path task ${second.tid} is scheduled`);
          tasks.switchTo(second);
          step(`task ${first.tid} is scheduled again; the exception has not returned yet`);
          tasks.switchTo(first);
          step("it changes an attribute of the linear map: set_memory_pkey() of one page");
          machine.get(SetMemory).setMemoryPkey(page, 1, toPkey(0));
          step("the exception returns");
        },
      );
      step("the section ends");
      lazy.disable();
    },
    () => afterSection(machine, `the key of page ${page} was changed`),
  );
}

const irqExitResume: Exhibit = {
  id: "irq-exit-resume",
  title: "a thread resumed on the irq-exit path had a lazy MMU section and no privilege",
  series: "v6→v7",
  citation: "Kevin Brodsky, 5 May 2026, reply to v6 07/30; v7 cover letter, reference [3]",
  story:
    "Exception entry reset the register, and only the return restores it. A thread that is rescheduled on the irq-exit path runs before the return: its lazy MMU section makes setters skip the switch, but tables are read-only in the register. The first setter faults.",
  fix: "v7 drops the reset: handlers inherit the interrupted register, and more code runs privileged.",
  detector: "oops",
  red: { policies: { kernel: { exceptionEntry: "reset" } }, run: changeLinearMapOnIrqExit },
  green: { policies: { kernel: { exceptionEntry: "inherit" } }, run: changeLinearMapOnIrqExit },
};

const irqExitLazyPaused: Exhibit = {
  id: "irq-exit-lazy-paused",
  title: "exception entry that pauses lazy MMU mode avoids the same crash",
  series: "v6→next",
  citation: "v7 cover letter, section on the pkey register: pausing lazy MMU mode as the other way out",
  story:
    "The crash of irq-exit-resume needs two conditions: a register that was reset, and a lazy MMU section that is still active. v7's cover letter discusses removing the second condition instead of the first.",
  fix: "Exception entry saves and resets the register and pauses lazy MMU mode until the return: setters on the irq-exit path switch the register, and no handler inherits a privilege.",
  detector: "oops",
  red: { policies: { kernel: { exceptionEntry: "reset" } }, run: changeLinearMapOnIrqExit },
  green: { policies: { kernel: { exceptionEntry: "reset-lazy-paused" } }, run: changeLinearMapOnIrqExit },
};

/** Bugs of lazy MMU sections and of exceptions in them. */
export const LAZY_MMU: readonly Exhibit[] = [batchingInInterrupt, irqExitResume, irqExitLazyPaused];
