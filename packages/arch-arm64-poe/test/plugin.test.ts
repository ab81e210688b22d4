import { createContainer, provide, resolve } from "@kpkeys/core";
import {
  Access,
  ArchTools,
  CpuFactory,
  KpkeysArch,
  Observers,
  OK,
  PageTableFormat,
  PgtableArch,
  PkeyRegister,
  Privilege,
} from "@kpkeys/core/contracts";
import { ObserverList } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { arm64Poe } from "../src/index.js";
import { createMachine, join, UPPER } from "./machine.js";

describe("the plugin", () => {
  test("implements every contract of an architecture", () => {
    const { container } = createMachine();
    const tokens = [ArchTools, CpuFactory, KpkeysArch, PageTableFormat, PgtableArch, PkeyRegister];
    for (const token of tokens) expect(resolve<unknown>(container, token)).toBe(resolve<unknown>(container, token));
    expect(arm64Poe).toMatchObject({ id: "arm64-poe", kind: "arch", contract: 2 });
  });

  test("rejects unknown options and impossible values", () => {
    for (const options of [{ poe: true }, { pkeys: 1 }, { physicalAddressBits: 52 }, { physicalAddressBits: 35 }]) {
      expect(() => {
        arm64Poe.setup(createContainer(), options);
      }).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
    }
  });

  test("makes CPUs with separate registers, TLBs and key registers", () => {
    const { container, cpu } = createMachine();
    const other = resolve(container, CpuFactory).create(1);
    other.systemRegisters.write("PSTATE", 0n);
    other.writePkeyRegister(0, 0x77);
    expect([cpu.id, other.id]).toEqual([0, 1]);
    expect(cpu.systemRegisters.read("PSTATE")).not.toBe(0n);
    expect(cpu.pkeyRegisterLow).toBe(0x7);
    expect(cpu.mmu.enabled).toBe(false);
  });

  test("passes the machine's observers to its CPUs", () => {
    const { container } = createMachine();
    const seen: number[] = [];
    const observers = new ObserverList();
    observers.attach({ registerWrite: (cpu) => seen.push(cpu) });
    provide(container, Observers, observers);
    resolve(container, CpuFactory).create(3).writePkeyRegister(0, 0x17);
    expect(seen).toEqual([3]);
  });
});

test("without pkeys a CPU ignores keys in entries and the key register", () => {
  for (const pkeys of [true, false]) {
    const machine = createMachine({ pkeys });
    const leaf = join(machine.format.protections.PAGE_KERNEL) | 0x80010000n;
    const allowed = [0, 1, 7].map((key) => {
      machine.map(0x7000n, [...UPPER, leaf | (BigInt(key) << 60n)]);
      machine.cpu.writePkeyRegister(0, 0x17);
      machine.cpu.synchronise();
      return machine.cpu.access(0, 0x7000, Access.WRITE, Privilege.KERNEL) === OK;
    });
    expect(allowed).toEqual(pkeys ? [true, false, false] : [true, true, true]);
  }
});
