import { createContainer, provide, resolve } from "@kpkeys/core";
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
    ["an option that does not exist", { keys: 16 }],
    ["a word for a boolean", { pkeys: "yes" }],
    ["a number for a boolean", { skipEqualWrites: 1 }],
    ["MAXPHYADDR 35", { physicalAddressBits: 35 }],
    ["MAXPHYADDR 53", { physicalAddressBits: 53 }],
    ["MAXPHYADDR 40.5", { physicalAddressBits: 40.5 }],
  ])("rejects %s", (_name, options) => {
    const setUp = (): void => {
      x86Pks.setup(createContainer(), options);
    };
    expect(setUp).toThrow(expect.objectContaining({ code: "ERR_SPEC", where: "plugin x86-pks" }));
  });

  test("gives each CPU its own registers", () => {
    const { container, cpu } = createMachine();
    const other = resolve(container, CpuFactory).create(1);
    other.systemRegisters.write("RFLAGS", 0x40002n);
    other.writePkeyRegister(0, 5);
    expect(cpu.systemRegisters.read("RFLAGS")).toBe(2n);
    expect([cpu.id, other.id, cpu.pkeyRegisterLow, other.pkeyRegisterLow]).toEqual([0, 1, 0, 5]);
  });
});

describe("a context", () => {
  test("changes only the managed keys, and leaving it restores the value", () => {
    const { kpkeys, cpu } = withCpus();
    const saved = new Int32Array(8);
    cpu.writePkeyRegister(0, 0x55555550);
    expect(kpkeys.enterContext(CONTEXT, saved, 1)).toBe(true);
    expect(cpu.pkeyRegisterLow).toBe(0x55555558);
    kpkeys.leaveContext(saved, 1, false);
    expect(cpu.pkeyRegisterLow).toBe(0x55555550);
    expect(kpkeys.counters).toEqual({ registerWrites: 2, barriers: 0 });
    expect(cpu.counters.barriers).toBe(0);
  });

  test("that changes nothing writes nothing, unless skipEqualWrites is off as in the series' older form", () => {
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
  test("reports no support, and keys in entries have no effect", () => {
    const machine = withCpus({ pkeys: false });
    const { cpu, kpkeys } = machine;
    expect(kpkeys.supportsKpkeys()).toBe(false);
    expect(kpkeys.supportsKpkeysEarly()).toBe(false);
    machine.map(0xffff888000000000n, [3n, 3n, 3n, 3n | (1n << 59n)], 512);
    cpu.writePkeyRegister(0, -1);
    expect(cpu.store64(0xffff8880 | 0, 0, 0, 1)).toBe(0);
  });

  test("is not the default of a machine", () => {
    expect(withCpus().kpkeys.supportsKpkeys()).toBe(true);
  });
});
