import { Exceptions, LinearMap, PageTables, Privilege, toPfn } from "@kpkeys/core/contracts";
import { Access } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import type { Machine } from "@kpkeys/kernel";
import { createKpkeysV6, createKpkeysV7, KPKEYS_PKEY_REG_INVAL } from "@kpkeys/kunit-suite/museum";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** Registers by the manuals' layouts: PGTABLES read-only, PGTABLES writable, everything open. */
const VALUES = {
  "arm64-poe": { standard: 0x17n, pgtables: 0x57n, open: 0x7777_7777n },
  "x86-pks": { standard: 0x5555_5558n, pgtables: 0x5555_5550n, open: 0n },
} as const;

function register({ cpus: { current } }: Machine): bigint {
  return fromWords(current.pkeyRegisterHigh, current.pkeyRegisterLow);
}

/** A stray store of 0 to an unused entry of a table that the kernel uses. */
function strayStore(machine: Machine): number {
  const tables = machine.get(PageTables);
  const linearMap = machine.get(LinearMap);
  const pfn = tables.allocTable("kernel")!;
  return machine.get(Exceptions).copyToKernelNofault(linearMap.address(pfn), new Uint8Array(8));
}

describe.each(ARCHES)("the older dialects on %s", (arch) => {
  const { standard, pgtables, open } = VALUES[arch];

  it("enter by level or context and restore what was there", () => {
    const machine = hardened(arch);
    const v6 = createKpkeysV6(machine.container);
    const v7 = createKpkeysV7(machine.container);
    for (const enter of [() => v6.setLevel("PGTABLES"), () => v7.setContext("PGTABLES")]) {
      const saved = enter();
      expect([saved, register(machine)]).toEqual([standard, pgtables]);
      v7.restorePkeyReg(saved);
      expect(register(machine)).toBe(standard);
    }
  });

  it("restore any value: one call with a chosen value opens the page tables", () => {
    const machine = hardened(arch);
    const { restorePkeyReg, setPkeyRegNosync } = createKpkeysV7(machine.container);
    expect(strayStore(machine)).toBe(-14);
    restorePkeyReg(pgtables);
    expect(strayStore(machine)).toBe(0);
    restorePkeyReg(standard);
    setPkeyRegNosync(open);
    machine.cpus.current.synchronise();
    expect(strayStore(machine)).toBe(0);
  });

  it("do nothing on a restore of the value that means that nothing was written", () => {
    const machine = hardened(arch);
    const { setContext, restorePkeyReg } = createKpkeysV7(machine.container, { skipEqualWrites: true });
    expect(setContext("DEFAULT")).toBe(KPKEYS_PKEY_REG_INVAL);
    restorePkeyReg(KPKEYS_PKEY_REG_INVAL);
    expect(register(machine)).toBe(standard);
  });

  it("fail where a lazy MMU section ends with the value of an entry that was left out", () => {
    const machine = hardened(arch);
    const { setContext, setPkeyRegNosync } = createKpkeysV7(machine.container, { skipEqualWrites: true });
    const outer = setContext("PGTABLES");
    // A section begins inside; its end writes what it saved, without a question, as v4 and v5 did.
    const saved = setContext("PGTABLES");
    expect([outer, saved]).toEqual([standard, KPKEYS_PKEY_REG_INVAL]);
    setPkeyRegNosync(saved);
    machine.cpus.current.synchronise();
    const { current } = machine.cpus;
    const linearMap = machine.get(LinearMap);
    const page = machine.memory.endPfn - 1;
    const status = current.access(
      linearMap.address(toPfn(page)).high,
      linearMap.address(toPfn(page)).low,
      Access.READ,
      Privilege.KERNEL,
    );
    // POR_EL1 of 0 denies even key 0: the kernel cannot read its own memory. IA32_PKRS of 0 denies nothing: all tables are open.
    expect(status).toBe(arch === "arm64-poe" ? -1 : 0);
    expect(register(machine)).toBe(0n);
  });
});

describe("on x86 the value that means that nothing was written is one that the register can have", () => {
  it("so that leaving does not restore it, and the caller goes on with other rights than it had", () => {
    const machine = hardened("x86-pks");
    const { setContext, restorePkeyReg } = createKpkeysV7(machine.container);
    machine.cpus.current.writePkeyRegister(0, 0);
    const saved = setContext("DEFAULT");
    expect(saved).toBe(KPKEYS_PKEY_REG_INVAL);
    restorePkeyReg(saved);
    expect(register(machine)).not.toBe(0n);
  });

  it("and an int loses the upper half: a value with bit 31 comes back with all bits above it", () => {
    const machine = hardened("x86-pks");
    machine.cpus.current.writePkeyRegister(0, 0x9555_5558 | 0);
    expect(createKpkeysV6(machine.container).setLevel("PGTABLES")).toBe(0xffff_ffff_9555_5558n);
    machine.cpus.current.writePkeyRegister(0, 0x9555_5558 | 0);
    expect(createKpkeysV7(machine.container).setContext("PGTABLES")).toBe(0x9555_5558n);
  });
});
