import { Kpkeys, LinearMap, PageTables } from "@kpkeys/core/contracts";
import type { Cpu, Words } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** Address of a fresh table page. */
function tableAddress(machine: Machine): Words {
  const pfn = machine.get(PageTables).allocTable("kernel");
  const linearMap = machine.get(LinearMap);
  return { high: linearMap.addressHigh(pfn), low: linearMap.addressLow(pfn) };
}

/** Gives a CPU the rights of the PGTABLES context as code without the kpkeys API would. */
function openPgtables(machine: Machine, cpu: Cpu): void {
  const { clear, set } = machine.get(Kpkeys).compiled("PGTABLES");
  cpu.writePkeyRegister((cpu.pkeyRegisterHigh & ~clear.high) | set.high, (cpu.pkeyRegisterLow & ~clear.low) | set.low);
}

describe("a key-register write on arm64 without its ISB", () => {
  it("does not rule yet, and the access that depends on it is counted", () => {
    const machine = hardened("arm64-poe");
    const cpu = machine.cpus.current;
    const { high, low } = tableAddress(machine);
    openPgtables(machine, cpu);
    expect(cpu.store64(high, low, 0, 0)).toBe(-1);
    expect(cpu.counters.unsynchronised).toBe(1);
    expect(cpu.load64(high, low)).toBe(0);
    expect(cpu.counters.unsynchronised).toBe(1);
    cpu.synchronise();
    expect(cpu.store64(high, low, 0, 0)).toBe(0);
  });

  it("does not take rights away yet either: the forgotten ISB on the way out leaves the table open", () => {
    const machine = hardened("arm64-poe");
    const cpu = machine.cpus.current;
    const { high, low } = tableAddress(machine);
    const closed = cpu.pkeyRegisterLow;
    openPgtables(machine, cpu);
    cpu.synchronise();
    cpu.writePkeyRegister(0, closed);
    expect(cpu.store64(high, low, 0, 0)).toBe(0);
    expect(cpu.counters.unsynchronised).toBe(1);
    cpu.synchroniseByException();
    expect(cpu.store64(high, low, 0, 0)).toBe(-1);
  });

  it("is a coded error on a strict machine, which nothing else on the way to it was", () => {
    const machine = hardened("arm64-poe", {}, { strict: true });
    const cpu = machine.cpus.current;
    const { high, low } = tableAddress(machine);
    openPgtables(machine, cpu);
    expect(() => cpu.store64(high, low, 0, 0)).toThrow(
      expect.objectContaining({
        code: "ERR_UNSYNCHRONISED",
        message: expect.stringContaining("expected a context synchronisation event") as string,
      }) as Error,
    );
  });
});

describe("a key-register write on x86", () => {
  it("rules from the next access on", () => {
    const machine = hardened("x86-pks", {}, { strict: true });
    const cpu = machine.cpus.current;
    const { high, low } = tableAddress(machine);
    openPgtables(machine, cpu);
    expect(cpu.store64(high, low, 0, 0)).toBe(0);
    expect(cpu.counters.unsynchronised).toBe(0);
  });
});

describe.each(ARCHES)("with two CPUs on %s", (arch) => {
  it("CPU 1 faults on a table page while CPU 0 is in the PGTABLES context", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    const kpkeys = machine.get(Kpkeys);
    const { high, low } = tableAddress(machine);
    const state = kpkeys.enterContext("PGTABLES");
    expect(cpu0.store64(high, low, 0, 0)).toBe(0);
    expect(cpu1.store64(high, low, 0, 0)).toBe(-1);
    expect(cpu1.fault.pkey).toBe(1);
    kpkeys.leaveContext(state);
    expect(cpu0.store64(high, low, 0, 0)).toBe(-1);
  });

  it("a key that the kernel changes holds on both CPUs at once", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const { high, low } = tableAddress(machine);
    const pfn = machine.get(LinearMap).pfnOf(high, low);
    for (const cpu of machine.cpus.all) expect(cpu.store64(high, low, 0, 0)).toBe(-1);
    machine.get(PageTables).freeTable(pfn);
    for (const cpu of machine.cpus.all) expect(cpu.store64(high, low, 0, 0)).toBe(0);
  });
});
