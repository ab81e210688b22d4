import {
  AddressSpaces,
  CpuPower,
  Exceptions,
  Kpkeys,
  LazyMmu,
  LinearMap,
  PageTables,
  Tasks,
  toLevel,
} from "@kpkeys/core/contracts";
import type { Cpu, Words } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

const registerOf = (holder: { readonly pkeyRegisterHigh: number; readonly pkeyRegisterLow: number }): Words => ({
  high: holder.pkeyRegisterHigh,
  low: holder.pkeyRegisterLow,
});

/** An ERR_API_MISUSE error of a function. */
const misuse = (where: string): Error => expect.objectContaining({ code: "ERR_API_MISUSE", where }) as Error;

/** The status of a stray store, on a CPU, to a table page made for it. */
function strayStore(machine: Machine): (cpu: Cpu) => number {
  const linearMap = machine.get(LinearMap);
  const page = machine.get(PageTables).allocTable("kernel", toLevel(3))!;
  return (cpu) => cpu.store64(linearMap.address(page).high, linearMap.address(page).low, 0, 0);
}

describe.each(ARCHES)("the key register on %s", (arch) => {
  it("is initialised on every CPU that comes up, to the value derived from the contexts", () => {
    const machine = hardened(arch, {}, { cpus: 4 });
    const initial = machine.get(Kpkeys).initialValue();
    expect(initial.low >>> 0).toBe(arch === "arm64-poe" ? 0x17 : 0x55555558);
    for (const cpu of machine.cpus.all) expect(registerOf(cpu)).toEqual(initial);
    for (const task of machine.get(Tasks).all) expect(registerOf(task)).toEqual(initial);
  });

  it("goes with the task: one preempted inside a context leaves no other task privileged, and resumes with its rights", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const tasks = machine.get(Tasks);
    const store = strayStore(machine);
    const [inside, other] = [tasks.create(undefined), tasks.create(undefined)];
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    tasks.switchTo(inside);
    const state = machine.get(Kpkeys).enterContext("PGTABLES");
    machine.get(Exceptions).interrupt(
      () => undefined,
      () => {
        tasks.switchTo(other);
        expect(store(cpu0)).toBe(-1);
        // The preempted task moves to another CPU before its exception returns.
        machine.cpus.current = cpu1;
        tasks.switchTo(inside);
        expect([store(cpu0), store(cpu1)]).toEqual([-1, 0]);
      },
    );
    expect(machine.cpus.current).toBe(cpu1);
    expect(store(cpu1)).toBe(0);
    machine.get(Kpkeys).leaveContext(state);
    expect([store(cpu0), store(cpu1)]).toEqual([-1, -1]);
  });

  it("stays with the CPU in v3: the task that runs next while another is preempted in a context can write tables", () => {
    const machine = hardened(arch, { batching: false }, { kernel: { switchPkeyRegister: false } });
    const tasks = machine.get(Tasks);
    const store = strayStore(machine);
    const [inside, other] = [tasks.create(undefined), tasks.create(undefined)];
    tasks.switchTo(inside);
    const state = machine.get(Kpkeys).enterContext("PGTABLES");
    tasks.switchTo(other);
    expect(store(machine.cpus.current)).toBe(0);
    tasks.switchTo(inside);
    machine.get(Kpkeys).leaveContext(state);
    expect(store(machine.cpus.current)).toBe(-1);
  });

  it("is left open for good in v3 when the preempted task goes on on another CPU", () => {
    const machine = hardened(arch, { batching: false }, { cpus: 2, kernel: { switchPkeyRegister: false } });
    const tasks = machine.get(Tasks);
    const store = strayStore(machine);
    const inside = tasks.create(undefined);
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    tasks.switchTo(inside);
    const state = machine.get(Kpkeys).enterContext("PGTABLES");
    machine.cpus.current = cpu1;
    tasks.switchTo(inside);
    machine.get(Kpkeys).leaveContext(state);
    expect([store(cpu0), store(cpu1)]).toEqual([0, -1]);
  });

  it("is copied live by fork: a child made inside a lazy MMU section starts privileged, as its parent is", () => {
    const machine = hardened(arch);
    const tasks = machine.get(Tasks);
    const outside = tasks.create(undefined);
    machine.get(LazyMmu).enable();
    const inside = tasks.create(undefined);
    const live = registerOf(machine.cpus.current);
    machine.get(LazyMmu).disable();
    expect(registerOf(inside)).toEqual(live);
    expect(registerOf(outside)).toEqual(machine.get(Kpkeys).initialValue());
    expect(registerOf(inside)).not.toEqual(registerOf(outside));
  });

  it("of a task that migrates inside a lazy MMU section opens the CPU that it moves to, and closes there", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const tasks = machine.get(Tasks);
    const store = strayStore(machine);
    const task = tasks.create(undefined);
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    tasks.switchTo(task);
    machine.get(LazyMmu).enable();
    machine.cpus.current = cpu1;
    tasks.switchTo(task);
    expect([store(cpu0), store(cpu1)]).toEqual([-1, 0]);
    machine.get(LazyMmu).disable();
    expect([store(cpu0), store(cpu1)]).toEqual([-1, -1]);
  });

  it("idle tasks stay on their CPU and never end; a task that has ended does not run", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const tasks = machine.get(Tasks);
    const idle = [...tasks.all];
    expect(() => {
      tasks.switchTo(idle[1]!);
    }).toThrow(misuse("switch to task 1 on CPU 0"));
    expect(() => {
      tasks.exit(idle[0]!);
    }).toThrow(misuse("exit"));
    const gone = tasks.create(undefined);
    tasks.switchTo(gone);
    machine.cpus.current = machine.cpus.all[1]!;
    tasks.exit(gone);
    machine.cpus.current = machine.cpus.all[0]!;
    expect(tasks.current).toBe(idle[0]);
    expect(() => {
      tasks.switchTo(gone);
    }).toThrow(misuse(`switch to task ${gone.tid} on CPU 0`));
  });
});

describe.each(ARCHES)("a CPU that comes back from suspend on %s", (arch) => {
  const suspended = (
    resumeInitialisesRegister: boolean,
    boot = {},
  ): { machine: Machine; store: (cpu: Cpu) => number } => {
    const machine = hardened(
      arch,
      {},
      { cpus: 2, kernel: { resumeInitialisesRegister }, boot: { rodata: "on", ...boot } },
    );
    const store = strayStore(machine);
    machine.get(AddressSpaces).create();
    const power = machine.get(CpuPower);
    power.suspend(1);
    power.resume(1);
    return { machine, store };
  };

  it("has the initial value again (v6), an empty TLB and its idle task", () => {
    const { machine, store } = suspended(true);
    const cpu = machine.cpus.all[1]!;
    expect(registerOf(cpu)).toEqual(machine.get(Kpkeys).initialValue());
    const { walks } = cpu.counters;
    expect(store(cpu)).toBe(-1);
    expect(cpu.counters.walks).toBe(walks + 1);
    machine.cpus.current = cpu;
    expect(machine.get(Tasks).current.tid).toBe(1);
    machine.get(PageTables).allocTable("kernel", toLevel(3));
  });

  it("without that keeps what reset left: no right on the key on arm64, all rights on x86", () => {
    const { machine, store } = suspended(false);
    const cpu = machine.cpus.all[1]!;
    machine.cpus.current = cpu;
    const { root } = [...machine.get(AddressSpaces).all][0]!;
    const readTable = (): void => {
      machine.get(PageTables).read(root, 0);
    };
    if (arch === "x86-pks") {
      readTable();
      expect(store(cpu)).toBe(0);
    } else {
      expect(store(cpu)).toBe(-1);
      expect(readTable).toThrow(KernelFault);
    }
  });

  it("while it was away another CPU could change tables, and it sees them", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const linearMap = machine.get(LinearMap);
    const page = machine.get(PageTables).allocTable("kernel", toLevel(3))!;
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    const store = (cpu: Cpu): number => cpu.store64(linearMap.address(page).high, linearMap.address(page).low, 0, 0);
    expect(store(cpu1)).toBe(-1);
    machine.get(CpuPower).suspend(1);
    machine.get(PageTables).freeTable(page);
    machine.get(CpuPower).resume(1);
    expect([store(cpu0), store(cpu1)]).toEqual([0, 0]);
  });

  it("is not suspended twice, nor resumed while it runs, and no CPU is suspended that is not there", () => {
    const machine = hardened(arch);
    const power = machine.get(CpuPower);
    expect(() => {
      power.resume(0);
    }).toThrow(misuse("resume"));
    expect(() => {
      power.suspend(1);
    }).toThrow(misuse("suspend"));
    power.suspend(0);
    expect(() => {
      power.suspend(0);
    }).toThrow(misuse("suspend"));
    power.resume(0);
    machine.get(PageTables).allocTable("kernel", toLevel(3));
  });
});

it("policies of the kernel are checked with the rest of the specification", () => {
  const refused = (kernel: object): void => {
    expect(() => hardened("arm64-poe", {}, { kernel })).toThrow(
      expect.objectContaining({ code: "ERR_SPEC", message: expect.stringMatching(/^kernel: /) as string }) as Error,
    );
  };
  refused({ exceptionEntry: "forget" });
  refused({ switchPkeyRegister: 1 });
  refused({ resumeInitialisesRegister: "yes" });
  refused({ linearMap: "huge" });
  refused({ lineareMap: "pte" });
});
