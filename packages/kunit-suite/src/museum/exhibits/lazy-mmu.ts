import { takeTable } from "../setup.js";
import { Exceptions, LazyMmu, LinearMap, PageTables, SetMemory, Tasks, toPkey } from "@kpkeys/core/contracts";
import { liveRightsText, oopsIn } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";

/** An interrupt arrives inside a lazy section, and its handler frees a table page. */
function freeInInterrupt({ machine, step }: Scene): Finding {
  const tables = machine.get(PageTables);
  const table = takeTable(machine, "kernel");
  const lazy = machine.get(LazyMmu);
  step("a lazy MMU section begins");
  lazy.enable();
  return oopsIn(
    machine,
    () => {
      step("an interrupt arrives");
      machine.get(Exceptions).interrupt(() => {
        step("its handler frees a table page, which takes the key away from it");
        tables.freeTable(table);
      });
      step("the section ends");
      lazy.disable();
    },
    () => `page ${table} was freed in the interrupt; after the section ${liveRightsText(machine, tablePkey(machine))}`,
  );
}

const batchingInInterrupt: Exhibit = {
  id: "batching-in-interrupt",
  title: "setters in an interrupt trusted the lazy section that was interrupted",
  series: "v4→v5",
  citation: "RFC v5 changelog, patch 18: disable batching while in interrupt",
  story:
    "Inside a lazy section setters do not switch the register, because the section did. v4 reset the register on exception entry but left the thread flag of the section as it was: a handler that freed a table page believed itself privileged, and was not.",
  fix: "Setters look whether they run in interrupt, and switch for themselves there.",
  detector: "oops",
  policies: { kernel: { exceptionEntry: "reset" } },
  red: { policies: { pgtables: { batchingInInterrupt: true } }, run: freeInInterrupt },
  green: { run: freeInInterrupt },
};

/**
 * A thread in a lazy section is interrupted and rescheduled on the way out of the interrupt. When it runs again the exception has
 * not returned yet, and it changes an attribute of the linear map.
 */
function changeLinearMapOnIrqExit({ machine, step }: Scene): Finding {
  const tasks = machine.get(Tasks);
  const lazy = machine.get(LazyMmu);
  const [first, second] = [tasks.create(undefined), tasks.create(undefined)];
  const page = machine.get(LinearMap).pageOf(takeTable(machine, "kernel"));
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
          step(`on its way out task ${second.tid} is scheduled`);
          tasks.switchTo(second);
          step(`task ${first.tid} is scheduled again, the exception not yet returned from`);
          tasks.switchTo(first);
          step("it changes an attribute of the linear map: set_memory_pkey() of one page");
          machine.get(SetMemory).setMemoryPkey(page, 1, toPkey(0));
          step("the exception returns");
        },
      );
      step("the section ends");
      lazy.disable();
    },
    () => `page ${page} has its key changed; after the section ${liveRightsText(machine, tablePkey(machine))}`,
  );
}

const irqExitResume: Exhibit = {
  id: "irq-exit-resume",
  title: "a thread resumed on the irq-exit path was lazy and no longer privileged",
  series: "v6→v7",
  citation: "Kevin Brodsky, 5 May 2026, reply to v6 07/30; v7 cover letter, reference [3]",
  story:
    "Exception entry reset the register, and only the return restores it. A thread that is rescheduled on the way out of an interrupt runs again before that: its lazy section says that setters need not switch, the register says that tables are read-only. The first setter faults.",
  fix: "v7 drops the reset: handlers inherit the interrupted register, and more code runs privileged.",
  detector: "oops",
  red: { policies: { kernel: { exceptionEntry: "reset" } }, run: changeLinearMapOnIrqExit },
  green: { policies: { kernel: { exceptionEntry: "inherit" } }, run: changeLinearMapOnIrqExit },
};

const irqExitLazyPaused: Exhibit = {
  id: "irq-exit-lazy-paused",
  title: "the same crash stays away when the exception pauses lazy MMU mode",
  series: "v6→next",
  citation: "v7 cover letter, section on the pkey register: pausing lazy MMU mode as the other way out",
  story:
    "The crash of irq-exit-resume needs both: a register that was reset and a lazy section that still counts. v7's cover letter weighs giving up the second instead of the first.",
  fix: "Exception entry saves and resets the register and pauses lazy MMU mode until the return: setters on the way out switch for themselves, and no handler inherits a privilege.",
  detector: "oops",
  red: { policies: { kernel: { exceptionEntry: "reset" } }, run: changeLinearMapOnIrqExit },
  green: { policies: { kernel: { exceptionEntry: "reset-lazy-paused" } }, run: changeLinearMapOnIrqExit },
};

/** Batching over lazy MMU sections, and exceptions in them. */
export const LAZY_MMU: readonly Exhibit[] = [batchingInInterrupt, irqExitResume, irqExitLazyPaused];
