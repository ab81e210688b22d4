import {
  AddressSpaces,
  ArchTools,
  Creds,
  Exceptions,
  KernelMemory,
  Kpkeys,
  LinearMap,
  PageTableFormat,
  PageTables,
  PgtableArch,
  StaticKeys,
  Tasks,
  toLevel,
  toPfn,
} from "@kpkeys/core/contracts";
import { attack, countResults, runSuites } from "@kpkeys/kunit-suite";
import { coverageOf, KernelFault } from "@kpkeys/kernel";
import type { KernelPolicies, Machine, MachineSpec } from "@kpkeys/kernel";
import { PgtablesWarnings } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

function bootedWith(
  arch: string,
  kpkeys: "off" | "soft" | "enforced",
  spec: Partial<MachineSpec> = {},
  pgtables = {},
): Machine {
  return hardened(arch, pgtables, { boot: { rodata: "on", kpkeys }, ...spec });
}

function strayWrite(machine: Machine): number {
  const linearMap = machine.get(LinearMap);
  const { root } = machine.get(AddressSpaces).create();
  return machine.get(Exceptions).copyToKernelNofault(linearMap.address(root), new Uint8Array(8));
}

const isKeyOn = (machine: Machine): boolean => machine.get(StaticKeys).all.every(({ enabled }) => enabled);

/** The rights of a register value on the key of table pages. */
function allows(
  machine: Machine,
  value: { readonly pkeyRegisterHigh: number; readonly pkeyRegisterLow: number },
): string {
  const { clear, set } = machine.get(Kpkeys).compiled("PGTABLES");
  const open = (value.pkeyRegisterLow & clear.low) === set.low && (value.pkeyRegisterHigh & clear.high) === set.high;
  return open ? "open" : "closed";
}

describe.each(ARCHES)("kpkeys=soft on %s", (arch) => {
  const isData = (text: string): boolean => text.includes("kpkeys=soft");

  it("protects nothing less until the first violation, and blocks nothing after", () => {
    const machine = bootedWith(arch, "soft");
    expect(coverageOf(machine, machine.scan()).gaps).toEqual([]);
    expect(machine.get(PgtablesWarnings)).toEqual([]);
    const { tried, blocked } = attack(machine, machine.scan());
    expect(tried).toBeGreaterThan(0);
    expect(blocked).toBe(0);
  });

  it("warns once, with the architecture's words for the fault, and leaves the static key on", () => {
    const machine = bootedWith(arch, "soft");
    expect(isKeyOn(machine)).toBe(true);
    for (let i = 0; i < 5; i++) expect(strayWrite(machine)).toBe(0);
    const warnings = machine.get(PgtablesWarnings);
    expect(warnings.filter(isData)).toHaveLength(1);
    expect(warnings[0]).toContain(machine.get(ArchTools).describeFault(machine.cpus.current.fault).split(" at ")[0]);
    expect(isKeyOn(machine)).toBe(true);
  });

  it("opens the key in the registers of all CPUs, of all tasks and of all exceptions not yet returned from", () => {
    const machine = bootedWith(arch, "soft", { cpus: 3, kernel: { exceptionEntry: "reset" } });
    const tasks = machine.get(Tasks);
    for (let i = 0; i < 3; i++) tasks.create(undefined);
    const exceptions = machine.get(Exceptions);
    exceptions.interrupt(() => {
      exceptions.interrupt(() => {
        expect(strayWrite(machine)).toBe(0);
      });
    });
    for (const cpu of machine.cpus.all) expect(allows(machine, cpu)).toBe("open");
    for (const task of tasks.all) expect(allows(machine, task)).toBe("open");
    expect(machine.get(PgtablesWarnings).filter(isData)).toHaveLength(1);
  });

  it.each([{}, { exceptionEntry: "reset" }, { exceptionEntry: "reset-lazy-paused" }] satisfies KernelPolicies[])(
    "a setter without a guard gets its retry, and the entry its value (%o)",
    (kernel) => {
      const machine = bootedWith(arch, "soft", { kernel }, { unguarded: ["ptep_set_wrprotect"] });
      const tables = machine.get(PageTables);
      const table = tables.allocTable("user", toLevel(3))!;
      const format = machine.get(PageTableFormat);
      const leaf = format.makeLeaf(toLevel(3), machine.memory.firstPfn, format.protections.PAGE_SHARED);
      tables.setPte(table, 5, leaf);
      tables.ptepSetWrprotect(table, 5);
      expect(machine.get(PgtablesWarnings).filter(isData)).toHaveLength(1);
      expect(tables.read(table, 5)).toEqual(format.makeReadOnly(leaf));
    },
  );

  it("opens again without a word where leaving a context closed the key", () => {
    const machine = bootedWith(arch, "soft");
    const state = machine.get(Kpkeys).enterContext("PGTABLES");
    const inner = machine.get(Kpkeys).enterContext("DEFAULT");
    expect(strayWrite(machine)).toBe(0);
    machine.get(Kpkeys).leaveContext(inner);
    machine.get(Kpkeys).leaveContext(state);
    expect(allows(machine, machine.cpus.current)).toBe("closed");
    expect(strayWrite(machine)).toBe(0);
    expect(machine.get(PgtablesWarnings).filter(isData)).toHaveLength(1);
  });

  it("allows no other faulting access: read-only pages and unmapped ones still fault", () => {
    const machine = bootedWith(arch, "soft");
    expect(machine.get(Exceptions).copyToKernelNofault({ high: 0, low: 0x1000 }, new Uint8Array(8))).toBeLessThan(0);
    const linearMap = machine.get(LinearMap);
    const text = machine.memory.firstPfn + machine.get(PgtableArch).layout.imageOffset / 4096;
    const [high, low] = [linearMap.address(toPfn(text)).high, linearMap.address(toPfn(text)).low];
    expect(machine.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8))).toBeLessThan(0);
    expect(machine.get(PgtablesWarnings).filter(isData)).toEqual([]);
  });
});

describe.each(ARCHES)("kpkeys=soft with a second feature on %s", (arch) => {
  it("opens the key of page tables alone: a write that another feature's key denies stays denied", () => {
    const machine = bootedWith(arch, "soft", { features: ["pgtables", "cred"] });
    const cred = machine.get(Creds).current();
    const prepared = machine.get(Creds).prepareProtected()!;
    expect(prepared).not.toBe(cred);
    const { high, low } = machine.get(KernelMemory).linearAddress(prepared);
    expect(machine.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8))).toBeLessThan(0);
    expect(machine.get(PgtablesWarnings)).toEqual([]);
    expect(strayWrite(machine)).toBe(0);
    expect(machine.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8))).toBeLessThan(0);
  });
});

describe.each(ARCHES)("kpkeys=enforced on %s", (arch) => {
  it("is what no parameter means: the same write fails, and a setter's is an oops", () => {
    for (const machine of [bootedWith(arch, "enforced"), hardened(arch)]) expect(strayWrite(machine)).toBeLessThan(0);
    expect(() => {
      const machine = bootedWith(arch, "enforced", {}, { unguarded: ["ptep_set_wrprotect"] });
      machine.get(PageTables).ptepSetWrprotect(machine.get(PageTables).allocTable("user", toLevel(3))!, 0);
    }).toThrow(KernelFault);
  });
});

describe.each(ARCHES)("kpkeys=off on %s", (arch) => {
  it("is a CPU without kernel pkeys: nothing is switched, nothing protected, the suites skip", () => {
    const machine = bootedWith(arch, "off");
    expect(machine.get(Kpkeys).supported()).toBe(false);
    expect(isKeyOn(machine)).toBe(false);
    const before = machine.counters().registerWrites;
    expect(strayWrite(machine)).toBe(0);
    expect(machine.counters().registerWrites).toBe(before);
    expect(countResults(runSuites(machine)).skipped).toBe(5);
    expect(machine.get(PgtablesWarnings)).toEqual([]);
  });

  it("is the only other word there is", () => {
    expect(() => bootedWith(arch, "on" as "off")).toThrow(/kpkeys=on; expected off, soft, enforced/);
  });
});
