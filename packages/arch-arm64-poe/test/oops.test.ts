import { applyChange, FAULT, FaultKind, OK, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { WalkStep } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createMachine, high, join, low } from "./machine.js";

/**
 * A real kernel's fault: an oops that Kevin Brodsky posted on 5 May 2026 in reply to "[RFC PATCH v6 07/30]" of the series, taken
 * on an FVP model with RAM at 0x80000000. A page-table setter ran in lazy MMU mode after an interrupt had reset POR_EL1. The
 * post does not show POR_EL1 and PIR_EL1: here they are what the series sets.
 */
const FAR = 0xffff00087fbbbd78n;
const ESR = 0x000000409600004fn;
const TABLES = [0x18000008fffff403n, 0x18000008ffa2d403n, 0x18000008ff82f403n];
const PTE = 0x10e80008ffbbb707n;
const POR_EL1_INIT = 0x17;
const POR_EL1_PGTABLES = 0x57;

/** Up to the highest table of the oops. */
const machine = createMachine({}, { firstPfn: toPfn(0x80000), pages: 0x900000 - 0x80000 });
const { cpu, format, tools } = machine;
machine.map(FAR, [...TABLES, PTE]);

function storeWith(por: number): number {
  cpu.writePkeyRegister(0, por);
  cpu.synchronise();
  return cpu.store64(high(FAR), low(FAR), 0, 1);
}

describe("the oops of the exception-entry crash", () => {
  test("has the same ESR, FAR, level and text", () => {
    expect(storeWith(POR_EL1_INIT)).toBe(FAULT);
    const { fault } = cpu;
    expect(join({ high: fault.syndromeHigh, low: fault.syndromeLow })).toBe(ESR);
    expect(join({ high: fault.addressHigh, low: fault.addressLow })).toBe(FAR);
    expect(join({ high: fault.entryHigh, low: fault.entryLow })).toBe(PTE);
    expect(fault).toMatchObject({ kind: FaultKind.PKEY, level: 3, pkey: 1 });
    expect(tools.describeFault(fault)).toBe(
      "Unable to handle kernel write to read-only memory at virtual address ffff00087fbbbd78",
    );
    expect(tools.faultRegisters(fault)).toEqual([
      { name: "ESR_EL1", text: "0x000000409600004f" },
      { name: "FAR_EL1", text: "0xffff00087fbbbd78" },
      { name: "POR_EL1", text: "0x0000000000000017" },
      { name: "EC", text: "0x25: DABT (current EL)" },
      { name: "DFSC", text: "0x0f: level 3 permission fault" },
      { name: "WnR", text: "1" },
      { name: "Overlay", text: "1" },
      { name: "DirtyBit", text: "0" },
    ]);
  });

  test("does not occur in the PGTABLES context or for a read", () => {
    expect(storeWith(POR_EL1_PGTABLES)).toBe(OK);
    storeWith(POR_EL1_INIT);
    expect(cpu.load64(high(FAR), low(FAR))).toBe(OK);
  });

  test("has the entries that the codec makes, bit for bit", () => {
    for (const table of TABLES)
      expect(join(format.makeTable(format.pfnOf(high(table), low(table)), false))).toBe(table);
    const leaf = format.makeLeaf(toLevel(3), toPfn(0x8ffbbb), format.protections.PAGE_KERNEL);
    expect(join(applyChange(leaf, format.entryKeys!.pkeyChange(toPkey(1))))).toBe(PTE);
  });

  test("has tables that map the linear map", () => {
    const steps: WalkStep[] = [];
    cpu.mmu.walk(high(FAR), low(FAR), (step) => steps.push(step));
    expect(steps.map((step) => join(step))).toEqual([...TABLES, PTE]);
    expect(steps.map(({ type }) => type)).toEqual(["table", "table", "table", "leaf"]);
    expect((BigInt(format.pfnOf(high(PTE), low(PTE))) << 12n) - 0x80000000n).toBe(
      (FAR & ~0xfffn) - 0xffff000000000000n,
    );
    expect(tools.ptdumpColumns(3, high(PTE), low(PTE)).join(" ").trimEnd()).toBe(
      "      RW NX SHD AF            UXN    MEM/NORMAL-TAGGED",
    );
  });
});
