import { registerText } from "@kpkeys/core";
import { CpuPower, Exceptions, Kpkeys, PageTables, PkeyRegister, Tasks, toPfn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { liveRegister, oopsIn, probeStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { setterGuard } from "../pgtables.js";
import { allocTable } from "../setup.js";

/** A task is preempted inside the guard of a setter, and the next task stores to a table page. */
function preemptInContext({ machine, step }: Scene): Finding {
  const tasks = machine.get(Tasks);
  const guard = setterGuard(machine);
  const table = allocTable(machine, "kernel");
  const [inside, other] = [tasks.create(undefined), tasks.create(undefined)];
  let found: Finding | undefined;
  tasks.switchTo(inside);
  step(`task ${inside.tid} enters a setter`);
  const state = guard.enter();
  step("it is interrupted");
  machine.get(Exceptions).interrupt(
    () => undefined,
    () => {
      step(`it is preempted by task ${other.tid}, which stores to a table page`);
      tasks.switchTo(other);
      found = probeStore(machine, table, `task ${other.tid}`);
      step(`task ${inside.tid} runs again`);
      tasks.switchTo(inside);
    },
  );
  guard.exit(state);
  return found!;
}

const registerNotSwitched: Exhibit = {
  id: "register-not-switched",
  title: "the context switch did not switch the key register",
  series: "v3→v4",
  citation: "Dave Hansen on RFC v2, January 2025; RFC v4 changelog: context-switching POR_EL1 (patch 7)",
  story:
    "The register is per CPU, the context is per task. If a task was preempted between entering and leaving, the next task on that CPU ran with its privilege; if the first task continued on another CPU, the privilege stayed on the old one.",
  fix: "The context switch saves and loads the register with the other registers of a thread, and fork copies it.",
  detector: "attack",
  policies: { pgtables: { batching: false } },
  red: { policies: { kernel: { switchPkeyRegister: false } }, run: preemptInContext },
  green: { run: preemptInContext },
};

/** Compares the key register of a resumed CPU with its initial value, then reads a page table and stores to it. */
function workAfterResume({ machine, step }: Scene): Finding {
  const table = allocTable(machine, "kernel");
  const power = machine.get(CpuPower);
  step("CPU 1 is suspended: it loses its registers");
  power.suspend(1);
  step("CPU 1 resumes");
  power.resume(1);
  machine.cpus.current = machine.cpus.all[1]!;
  const initial = machine.get(Kpkeys).initialValue();
  const live = liveRegister(machine);
  const [before, after] = [registerText(initial.high, initial.low), registerText(live.high, live.low)];
  const found = readAndStore(machine, table, step);
  return {
    seen: before !== after || found.seen,
    evidence: `${machine.get(PkeyRegister).name} is ${after}, its initial value ${before}\n${found.evidence}`,
    facts: { ...found.facts, register: { before, after } },
  };
}

/** A read of a page table by the kernel, which must succeed, and a probe store, which must fail. */
function readAndStore(machine: Machine, table: number, step: Scene["step"]): Finding {
  step("it reads a page table");
  const read = oopsIn(
    machine,
    () => {
      machine.get(PageTables).read(toPfn(table), 0);
    },
    () => ({ evidence: "the table can be read", facts: {} }),
  );
  if (read.seen) return read;
  step("a probe store to the table");
  return probeStore(machine, table, "probe store after resume");
}

const cpuResume: Exhibit = {
  id: "cpu-resume",
  title: "a CPU that resumed from suspend kept the reset value of its key register",
  series: "v5→v6",
  citation: 'v6 changelog, patch 9: "arm64: Initialize POR_EL1 register on cpu_resume()" (Yeoreum Yun)',
  story:
    "A CPU that loses power loses its key register, and resume did not initialise it. The reset value of POR_EL1 denied all access to the table pages' key, so the next read of a table was an oops. An IA32_PKRS of 0 denies nothing: all tables are open.",
  fix: "cpu_resume() writes the initial value before other code runs.",
  detector: "key register",
  policies: { cpus: 2 },
  red: { policies: { kernel: { resumeInitialisesRegister: false } }, run: workAfterResume },
  green: { run: workAfterResume },
};

/** Bugs in saving and initialising the key register. */
export const REGISTER: readonly Exhibit[] = [registerNotSwitched, cpuResume];
