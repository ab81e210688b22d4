import { createContainer, KpkeysError, provide, resolve } from "@kpkeys/core";
import {
  ArchTools,
  CpuFactory,
  Cpus,
  KpkeysArch,
  PageTableFormat,
  PgtableArch,
  PkeyRegister,
} from "@kpkeys/core/contracts";
import type { CompiledContext, PluginOptions } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { IA32_PKRS, x86Pks } from "../src/index.js";
import { createMachine } from "./machine.js";
import type { TestMachine } from "./machine.js";

const CONTEXT: CompiledContext = {
  name: "DEFAULT",
  clear: { high: 0, low: 0b1111 },
  set: IA32_PKRS.field(1, "r"),
};

function withCpus(options: PluginOptions = {}): TestMachine & { readonly kpkeys: KpkeysArch; readonly cpus: Cpus } {
  const machine = createMachine(options);
  const cpus = { all: [machine.cpu], current: machine.cpu };
  provide(machine.container, Cpus, cpus);
  return { ...machine, cpus, kpkeys: resolve(machine.container, KpkeysArch) };
}

describe("set-up", () => {
  test.each([PkeyRegister, PageTableFormat, PgtableArch, CpuFactory, KpkeysArch, ArchTools])(
    "registers %s",
    (token) => {
      const container = createContainer();
      x86Pks.setup(container, {});
      expect(container.isRegistered(token)).toBe(true);
    },
  );

  test.each([
    ["an option that does not exist", { keys: 16 }, /plugin x86-pks: unknown option 'keys'; expected levels, pkeys/],
    ["a word for a boolean", { pkeys: "yes" }, /option 'pkeys' is no boolean/],
    ["a number for a boolean", { skipEqualWrites: 1 }, /option 'skipEqualWrites' is no boolean/],
    ["MAXPHYADDR 35", { physicalAddressBits: 35 }, /a whole number from 36 to 52/],
    ["MAXPHYADDR 53", { physicalAddressBits: 53 }, /a whole number from 36 to 52/],
    ["MAXPHYADDR 40.5", { physicalAddressBits: 40.5 }, /a whole number from 36 to 52/],
  ])("refuses %s", (_name, options, message) => {
    const setUp = (): void => {
      x86Pks.setup(createContainer(), options);
    };
    expect(setUp).toThrow(KpkeysError);
    expect(setUp).toThrow(message);
  });

  test("gives every CPU registers of its own", () => {
    const { container, cpu } = createMachine();
    const other = resolve(container, CpuFactory).create(1);
    other.systemRegisters.write("RFLAGS", 0x40002n);
    other.writePkeyRegister(0, 5);
    expect(cpu.systemRegisters.read("RFLAGS")).toBe(2n);
    expect([cpu.id, other.id, cpu.pkeyRegisterLow, other.pkeyRegisterLow]).toEqual([0, 1, 0, 5]);
  });
});

describe("a context", () => {
  test("changes the managed keys alone, and leaving it restores the value", () => {
    const { kpkeys, cpu } = withCpus();
    const saved = new Int32Array(4);
    cpu.writePkeyRegister(0, 0x55555550);
    expect(kpkeys.enterContext(CONTEXT, saved, 1)).toBe(true);
    expect(cpu.pkeyRegisterLow).toBe(0x55555558);
    kpkeys.leaveContext(saved, 1, false);
    expect(cpu.pkeyRegisterLow).toBe(0x55555550);
    expect(kpkeys.counters).toEqual({ registerWrites: 2, barriers: 0 });
    expect(cpu.counters.barriers).toBe(0);
  });

  test("that changes nothing writes nothing, unless the series' older form is asked for", () => {
    for (const skipEqualWrites of [true, false]) {
      const { kpkeys, cpu } = withCpus({ skipEqualWrites });
      cpu.writePkeyRegister(0, 0x55555558);
      const written = cpu.counters.pkeyRegisterWrites;
      expect(kpkeys.enterContext(CONTEXT, new Int32Array(2), 0)).toBe(!skipEqualWrites);
      expect(cpu.counters.pkeyRegisterWrites - written).toBe(skipEqualWrites ? 0 : 1);
    }
  });

  test("is entered on the current CPU", () => {
    const machine = withCpus();
    const other = resolve(machine.container, CpuFactory).create(1);
    machine.cpus.current = other;
    machine.kpkeys.enterContext(CONTEXT, new Int32Array(2), 0);
    expect([machine.cpu.pkeyRegisterLow, other.pkeyRegisterLow]).toEqual([0, 0b1000]);
  });
});

describe("a CPU without PKS", () => {
  test("says so, and keys in entries have no effect", () => {
    const machine = withCpus({ pkeys: false });
    const { cpu, kpkeys } = machine;
    expect(kpkeys.supportsKpkeys()).toBe(false);
    expect(kpkeys.supportsKpkeysEarly()).toBe(false);
    machine.map(0xffff888000000000n, [3n, 3n, 3n, 3n | (1n << 59n)], 512);
    cpu.writePkeyRegister(0, -1);
    expect(cpu.store64(0xffff8880 | 0, 0, 0, 1)).toBe(0);
  });

  test("is not what a machine gets by default", () => {
    expect(withCpus().kpkeys.supportsKpkeys()).toBe(true);
  });
});
