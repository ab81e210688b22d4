import {
  Kpkeys,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  SetMemory,
  toLevel,
  toPkey,
} from "@kpkeys/core/contracts";
import type { Cpu, Words } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, staleOn } from "./machines.js";

const PGTABLES_PKEY = 1;

/** Address of a fresh page of data. */
function dataAddress(machine: Machine): Words {
  const pfn = machine.get(PageAllocator).alloc(0)!;
  const linearMap = machine.get(LinearMap);
  return linearMap.address(pfn);
}

/** Gives a page of the linear map a key in its leaf and forgets what must follow. */
function setPkeyWithoutTlbi(machine: Machine, address: Words, pkey: number): void {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const { clear, set } = format.entryKeys!.pkeyChange(toPkey(pkey));
  const level = format.geometry.levels.length - 1;
  const entry = tables.entryAt(tables.root, toLevel(level), pageOf(address, 12))!;
  const { high, low } = entry.read();
  entry.set({ high: (high & ~clear.high) | set.high, low: (low & ~clear.low) | set.low });
}

/** Address of a fresh table page. */
function tableAddress(machine: Machine): Words {
  const pfn = machine.get(PageTables).allocTable("kernel")!;
  const linearMap = machine.get(LinearMap);
  return linearMap.address(pfn);
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
    const pfn = machine.get(LinearMap).pfnOf(pageOf({ high, low }, 12))!;
    for (const cpu of machine.cpus.all) expect(cpu.store64(high, low, 0, 0)).toBe(-1);
    machine.get(PageTables).freeTable(pfn);
    for (const cpu of machine.cpus.all) expect(cpu.store64(high, low, 0, 0)).toBe(0);
  });
});

describe.each(ARCHES)("a key change on %s", (arch) => {
  it("without its TLBI lets a stale write through, which the audit catches by its address", () => {
    const machine = hardened(arch);
    const cpu = machine.cpus.current;
    const page = dataAddress(machine);
    const store = (): number => cpu.store64(page.high, page.low + 8, 0, 7);
    expect(store()).toBe(0);
    expect(staleOn(cpu)).toEqual([]);
    setPkeyWithoutTlbi(machine, page, PGTABLES_PKEY);
    expect(store()).toBe(0);
    expect(staleOn(cpu)).toEqual([page]);
    cpu.mmu.invalidatePage(page.high, page.low);
    expect(staleOn(cpu)).toEqual([]);
    expect(store()).toBe(-1);
    expect(cpu.fault.pkey).toBe(PGTABLES_PKEY);
    expect(staleOn(cpu)).toEqual([]);
  });

  it("back to one that allows more is caught without its TLBI as well", () => {
    const machine = hardened(arch);
    const cpu = machine.cpus.current;
    const page = dataAddress(machine);
    expect(cpu.load64(page.high, page.low)).toBe(0);
    machine.get(SetMemory).setMemoryPkey(pageOf(page, 12), 1, toPkey(PGTABLES_PKEY));
    expect(cpu.load64(page.high, page.low)).toBe(0);
    setPkeyWithoutTlbi(machine, page, 0);
    expect(staleOn(cpu)).toEqual([page]);
  });

  it("invalidated on one CPU only is caught on the other", () => {
    const machine = hardened(arch, {}, { cpus: 2 });
    const [cpu0, cpu1] = machine.cpus.all as [Cpu, Cpu];
    const page = dataAddress(machine);
    for (const cpu of machine.cpus.all) expect(cpu.store64(page.high, page.low, 0, 7)).toBe(0);
    setPkeyWithoutTlbi(machine, page, PGTABLES_PKEY);
    cpu0.mmu.invalidatePage(page.high, page.low);
    expect([cpu0, cpu1].map((cpu) => cpu.store64(page.high, page.low, 0, 8))).toEqual([-1, 0]);
    expect([cpu0, cpu1].map(staleOn)).toEqual([[], [page]]);
    cpu1.mmu.invalidateAll();
    expect(staleOn(cpu1)).toEqual([]);
    expect(cpu1.store64(page.high, page.low, 0, 8)).toBe(-1);
  });

  it("made by set_memory_pkey leaves no CPU anything stale", () => {
    const machine = hardened(arch, {}, { cpus: 3 });
    const page = dataAddress(machine);
    for (const pkey of [PGTABLES_PKEY, 0, PGTABLES_PKEY]) {
      for (const cpu of machine.cpus.all) cpu.store64(page.high, page.low, 0, 7);
      expect(machine.get(SetMemory).setMemoryPkey(pageOf(page, 12), 1, toPkey(pkey))).toBe(0);
      expect(machine.cpus.all.map(staleOn)).toEqual([[], [], []]);
      for (const cpu of machine.cpus.all) expect(cpu.store64(page.high, page.low, 0, 7)).toBe(pkey === 0 ? 0 : -1);
    }
  });
});

describe.each(ARCHES)("the TLB's geometry on %s", (arch) => {
  it("without entries makes every access walk, so that no change needs a TLBI", () => {
    const machine = hardened(arch, {}, { options: { [arch]: { tlb: { ways: 0 } } } });
    const cpu = machine.cpus.current;
    const page = dataAddress(machine);
    const before = cpu.counters.walks;
    for (let i = 0; i < 5; i++) expect(cpu.store64(page.high, page.low, 0, 7)).toBe(0);
    expect(cpu.counters.walks).toBe(before + 5);
    setPkeyWithoutTlbi(machine, page, PGTABLES_PKEY);
    expect(cpu.store64(page.high, page.low, 0, 7)).toBe(-1);
    expect(staleOn(cpu)).toEqual([]);
  });

  it("that is impossible is ERR_SPEC", () => {
    expect(() => hardened(arch, {}, { options: { [arch]: { tlb: { sets: 3 } } } })).toThrow(
      expect.objectContaining({
        code: "ERR_SPEC",
        message: expect.stringContaining("'tlb.sets'") as string,
      }) as Error,
    );
  });
});
