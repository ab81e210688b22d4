import {
  AddressSpaces,
  ArchTools,
  Errno,
  Exceptions,
  LinearMap,
  PageTableFormat,
  PageTables,
  SETTERS,
  toLevel,
  toPfn,
} from "@kpkeys/core/contracts";
import type { Setter } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** Calls one setter on an entry of a live table page, so that the entry keeps its meaning. */
const CALLS: Readonly<Record<Setter, (tables: PageTables, table: number) => void>> = {
  set_pte: (tables, table) => {
    tables.setPte(toPfn(table), 5, { high: 0, low: 0 });
  },
  set_pmd: (tables, table) => {
    tables.setPmd(toPfn(table), 5, { high: 0, low: 0 });
  },
  set_pud: (tables, table) => {
    tables.setPud(toPfn(table), 5, { high: 0, low: 0 });
  },
  set_p4d: (tables, table) => {
    tables.setP4d(toPfn(table), 5, { high: 0, low: 0 });
  },
  set_pgd: (tables, table) => {
    tables.setPgd(toPfn(table), 5, { high: 0, low: 0 });
  },
  ptep_test_and_clear_young: (tables, table) => tables.ptepTestAndClearYoung(toPfn(table), 5),
  ptep_get_and_clear: (tables, table) => {
    tables.ptepGetAndClear(toPfn(table), 5);
  },
  ptep_set_wrprotect: (tables, table) => {
    tables.ptepSetWrprotect(toPfn(table), 5);
  },
  clear_young_dirty_pte: (tables, table) => {
    tables.clearYoungDirtyPte(toPfn(table), 5, true, true);
  },
  pmdp_establish: (tables, table) => {
    tables.pmdpEstablish(toPfn(table), 5, { high: 0, low: 0 });
  },
  ptep_set_access_flags: (tables, table) => tables.ptepSetAccessFlags(toPfn(table), 5, { high: 0, low: 1 }),
};

/** The fault that a call ends in. */
function faultOf(call: () => void): KernelFault {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelFault) return error;
    throw error;
  }
  throw new Error("no fault");
}

/** The architecture's report of a kernel write that the key of a page denies. */
function expectOverlayFault(machine: Machine, arch: string, fault: KernelFault): void {
  const { report } = fault;
  const registers = Object.fromEntries(
    machine
      .get(ArchTools)
      .faultRegisters(report)
      .map(({ name, text }) => [name, text]),
  );
  if (arch === "arm64-poe") {
    // EC 0x25 data abort from the same EL, IL, WnR, DFSC 0x0f permission fault at level 3; ISS2.Overlay.
    expect(report.syndromeLow >>> 0).toBe(0x9600004f);
    expect(report.syndromeHigh & 0x40).toBe(0x40);
    expect(Object.keys(registers)).toContain("ESR_EL1");
  } else {
    // P, W, PK.
    expect(report.syndromeLow).toBe(0x23);
    expect(Object.keys(registers)).toContain("CR2");
  }
  expect(report.pkey).toBe(1);
}

describe.each(ARCHES)("on %s", (arch) => {
  it.each(SETTERS)("the kernel itself faults in %s when that one setter has no guard", (setter) => {
    const control = hardened(arch);
    const table = control.get(AddressSpaces).create().root;
    CALLS[setter](control.get(PageTables), table);
    expect(control.counters().writesBySetter[setter]).toBeGreaterThan(0);

    // set_pte, and on x86 the setters of process tables, are so common that the machine faults before it is even asked.
    let machine = control;
    const fault = faultOf(() => {
      machine = hardened(arch, { unguarded: [setter] });
      CALLS[setter](machine.get(PageTables), machine.get(AddressSpaces).create().root);
    });
    expectOverlayFault(machine, arch, fault);
    expect(fault.message).toMatch(/^set_ptes?, |^[a-z_0-9]+, CPU 0/);
    expect(fault.message.startsWith(setter === "set_pte" ? "set_pte" : setter)).toBe(true);
  });

  it.each(SETTERS)("%s writes twice to the key register outside lazy MMU mode", (setter) => {
    const machine = hardened(arch);
    const table = machine.get(AddressSpaces).create().root;
    const before = machine.counters();
    CALLS[setter](machine.get(PageTables), table);
    const after = machine.counters();
    expect(after.registerWrites - before.registerWrites).toBe(2);
    expect(after.barriers - before.barriers).toBe(arch === "arm64-poe" ? 2 : 0);
    expect(after.tableWrites - before.tableWrites).toBe(1);
  });

  it("a stray write to a table page fails, and a stray read does not", () => {
    const machine = hardened(arch);
    const table = machine.get(AddressSpaces).create().root;
    const linearMap = machine.get(LinearMap);
    const high = linearMap.address(table).high;
    const low = linearMap.address(table).low;
    expect(machine.get(Exceptions).copyToKernelNofault({ high, low }, new Uint8Array(8))).toBe(Errno.EFAULT);
    expect(machine.cpus.current.load64(high, low)).toBe(0);
  });

  it("a freed table page is ordinary memory again", () => {
    const machine = hardened(arch);
    const tables = machine.get(PageTables);
    const linearMap = machine.get(LinearMap);
    const table = tables.allocTable("kernel")!;
    tables.freeTable(table);
    expect(machine.get(Exceptions).copyToKernelNofault(linearMap.address(table), new Uint8Array(8))).toBe(0);
  });

  it("swapper_pg_dir and init_top_pgt are written where Linux writes them", () => {
    const machine = hardened(arch);
    const tables = machine.get(PageTables);
    const format = machine.get(PageTableFormat);
    const index = format.index(toLevel(0), 0xffffff00 | 0, 0) - 1;
    const before = machine.counters();
    tables.setP4d(tables.root, index, { high: 0, low: 0 });
    const after = machine.counters();
    // arm64 maps a fixmap slot and unmaps it, each by a set_pte; x86 stores through the image's alias.
    expect(after.writesBySetter.set_pte - before.writesBySetter.set_pte).toBe(arch === "arm64-poe" ? 2 : 0);
    expect(after.tlbInvalidations - before.tlbInvalidations).toBe(arch === "arm64-poe" ? 1 : 0);
    expect(after.writesBySetter.set_p4d - before.writesBySetter.set_p4d).toBe(1);
    // On arm64 each set_pte of the slot opens its guard and the store between them none; on x86 the store's guard is the one.
    expect(after.registerWrites - before.registerWrites).toBe(arch === "arm64-poe" ? 4 : 2);
  });
});
