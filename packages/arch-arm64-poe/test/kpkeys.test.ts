import { Cpus, KpkeysArch } from "@kpkeys/core/contracts";
import type { CompiledContext, Cpu, PluginOptions } from "@kpkeys/core/contracts";
import { provide, resolve } from "@kpkeys/core";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

/** Keys 0 and 1 are managed: read-write on both, execution on key 0. */
const PGTABLES: CompiledContext = {
  name: "DEFAULT",
  clear: { high: 0, low: 0xff },
  set: { high: 0, low: 0x57 },
};

function kpkeysOn(options: PluginOptions = {}): { kpkeys: KpkeysArch; cpu: Cpu; saved: Int32Array } {
  const { container, cpu } = createMachine(options);
  provide(container, Cpus, { all: [cpu], current: cpu });
  cpu.writePkeyRegister(0x123, 0x76543217);
  cpu.synchronise();
  return { kpkeys: resolve(container, KpkeysArch), cpu, saved: new Int32Array(8) };
}

const register = (cpu: Cpu): number[] => [cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow];

describe("entering a context", () => {
  test("changes the managed keys alone, and leaving it gives back what was there", () => {
    const { kpkeys, cpu, saved } = kpkeysOn();
    expect(kpkeys.enterContext(PGTABLES, saved, 2)).toBe(true);
    expect(register(cpu)).toEqual([0x123, 0x76543257]);
    expect([...saved]).toEqual([0, 0, 0, 0, 0x123, 0x76543217, 0, 0]);
    kpkeys.leaveContext(saved, 2, false);
    expect(register(cpu)).toEqual([0x123, 0x76543217]);
  });

  test("is a register write and a barrier, and so is leaving it, unless a barrier follows anyway", () => {
    const { kpkeys, cpu, saved } = kpkeysOn();
    const before = { ...cpu.counters };
    kpkeys.enterContext(PGTABLES, saved, 0);
    expect(kpkeys.counters).toEqual({ registerWrites: 1, barriers: 1 });
    kpkeys.leaveContext(saved, 0, false);
    expect(kpkeys.counters).toEqual({ registerWrites: 2, barriers: 2 });
    kpkeys.enterContext(PGTABLES, saved, 0);
    kpkeys.leaveContext(saved, 0, true);
    expect(kpkeys.counters).toEqual({ registerWrites: 4, barriers: 3 });
    expect(cpu.counters.pkeyRegisterWrites - before.pkeyRegisterWrites).toBe(4);
    expect(cpu.counters.barriers - before.barriers).toBe(3);
  });

  test("writes nothing when nothing would change, unless told to", () => {
    for (const skipEqualWrites of [true, false]) {
      const { kpkeys, saved } = kpkeysOn({ skipEqualWrites });
      kpkeys.enterContext(PGTABLES, saved, 0);
      expect(kpkeys.enterContext(PGTABLES, saved, 1)).toBe(!skipEqualWrites);
      expect(kpkeys.counters.registerWrites).toBe(skipEqualWrites ? 1 : 2);
    }
  });

  test("switches the CPU that is current", () => {
    const { container, cpu } = createMachine();
    const second = createMachine().cpu;
    const cpus: Cpus = { all: [cpu, second], current: cpu };
    provide(container, Cpus, cpus);
    const kpkeys = resolve(container, KpkeysArch);
    cpus.current = second;
    kpkeys.enterContext(PGTABLES, new Int32Array(2), 0);
    expect([register(cpu)[1], register(second)[1]]).toEqual([0x7, 0x57]);
  });
});

test("kernel pkeys are supported as the CPU has them, early as late", () => {
  for (const pkeys of [true, false]) {
    const { kpkeys } = kpkeysOn({ pkeys });
    expect([kpkeys.supportsKpkeys(), kpkeys.supportsKpkeysEarly()]).toEqual([pkeys, pkeys]);
  }
});
