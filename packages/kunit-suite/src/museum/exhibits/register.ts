import { takeTable } from "../setup.js";
import { registerText } from "@kpkeys/core";
import { CpuPower, Exceptions, Kpkeys, PageTables, PkeyRegister, Tasks, toPfn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { oopsIn, strayStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { setterGuard } from "../pgtables.js";

/** A task is preempted where it may write page tables; another one runs and is no friend. */
function preemptInContext({ machine, step }: Scene): Finding {
  const tasks = machine.get(Tasks);
  const guard = setterGuard(machine);
  const table = takeTable(machine, "kernel");
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
      found = strayStore(machine, table, `task ${other.tid}`);
      step(`task ${inside.tid} goes on`);
      tasks.switchTo(inside);
    },
  );
  guard.exit(state);
  return found!;
}

const registerNotSwitched: Exhibit = {
  id: "register-not-switched",
  title: "the key register stayed with the CPU when the task went",
  series: "v3→v4",
  citation: "Dave Hansen on RFC v2, January 2025; RFC v4 changelog: context-switching POR_EL1 (patch 7)",
  story:
    "The register belongs to the CPU, the context to the task. A task that was preempted between entering and leaving left its privilege to whoever ran next; when it went on elsewhere, it left it there for good.",
  fix: "The register is saved and loaded with the other registers of a thread, and copied by fork.",
  detector: "attack",
  policies: { pgtables: { batching: false } },
  red: { policies: { kernel: { switchPkeyRegister: false } }, run: preemptInContext },
  green: { run: preemptInContext },
};

/** What a CPU that has slept has in its register, and what follows from that. */
function workAfterResume({ machine, step }: Scene): Finding {
  const table = takeTable(machine, "kernel");
  const power = machine.get(CpuPower);
  step("CPU 1 is suspended: it loses what its registers hold");
  power.suspend(1);
  step("CPU 1 resumes");
  power.resume(1);
  machine.cpus.current = machine.cpus.all[1]!;
  const initial = machine.get(Kpkeys).initialValue();
  const { pkeyRegisterHigh, pkeyRegisterLow } = machine.cpus.current;
  const differs = pkeyRegisterHigh !== initial.high || pkeyRegisterLow !== initial.low;
  const value = registerText(pkeyRegisterHigh, pkeyRegisterLow);
  const told = `${machine.get(PkeyRegister).name} is ${value}, its initial value ${registerText(initial.high, initial.low)}`;
  const follows = readAndStore(machine, table, step);
  return { seen: differs || follows.seen, evidence: `${told}\n${follows.evidence}` };
}

/** The kernel reads a table, which it must; then somebody stores to it, which he must not. */
function readAndStore(machine: Machine, table: number, step: Scene["step"]): Finding {
  step("it reads a page table");
  const read = oopsIn(
    machine,
    () => {
      machine.get(PageTables).read(toPfn(table), 0);
    },
    () => "the table can be read",
  );
  if (read.seen) return read;
  step("a stray store to the table");
  return strayStore(machine, table, "stray store after resume");
}

const cpuResume: Exhibit = {
  id: "cpu-resume",
  title: "a CPU that came back from suspend had the register that reset left",
  series: "v5→v6",
  citation: 'v6 changelog, patch 9: "arm64: Initialize POR_EL1 register on cpu_resume()" (Yeoreum Yun)',
  story:
    "A CPU that loses power loses its key register. Nobody gave it a value on the way back: the fields of POR_EL1 were those of reset and withheld the table pages' key altogether, so that the next read of a table was an oops. IA32_PKRS of 0 withholds nothing: all tables are open.",
  fix: "cpu_resume() writes the initial value before anything else runs.",
  detector: "key register",
  policies: { cpus: 2 },
  red: { policies: { kernel: { resumeInitialisesRegister: false } }, run: workAfterResume },
  green: { run: workAfterResume },
};

/** What becomes of the register of a CPU. */
export const REGISTER: readonly Exhibit[] = [registerNotSwitched, cpuResume];
