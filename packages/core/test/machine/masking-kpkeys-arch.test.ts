import { describe, expect, test } from "vitest";
import type { CompiledContext, Cpu, Cpus, PkeyRegister } from "../../src/contracts/index.js";
import { GENERIC_PKEY_NUMBERS, MaskingKpkeysArch } from "../../src/machine/index.js";
import type { MaskingOptions } from "../../src/machine/index.js";
import { GRANTING } from "../framework/tiny-arch.js";
import { createToy } from "./toy.js";

/** Changes 8 bits of each word. */
const CONTEXT: CompiledContext = { name: "DEFAULT", clear: { high: 0xff, low: 0xff }, set: { high: 0x45, low: 0x57 } };

interface Switched {
  readonly kpkeys: MaskingKpkeysArch;
  readonly cpu: Cpu;
  readonly cpus: Cpus;
  readonly saved: Int32Array;
}

function switched(
  synchronisation: PkeyRegister["synchronisation"] = "barrier",
  options: Partial<MaskingOptions> = {},
): Switched {
  const { cpu } = createToy({ needsBarrier: synchronisation === "barrier" });
  const cpus = { all: [cpu], current: cpu };
  const register = { ...GRANTING, synchronisation };
  const kpkeys = new MaskingKpkeysArch(() => cpus, { register, pkeys: true, skipEqualWrites: true, ...options });
  cpu.writePkeyRegister(0x123, 0x76543217);
  cpu.synchronise();
  return { kpkeys, cpu, cpus, saved: new Int32Array(16) };
}

const register = (cpu: Cpu): number[] => [cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow];

describe("entering a context", () => {
  test("changes only the managed keys, and leaving restores both words", () => {
    const { kpkeys, cpu, saved } = switched();
    expect(kpkeys.enterContext(CONTEXT, saved, 2)).toBe(true);
    expect(register(cpu)).toEqual([0x145, 0x76543257]);
    expect([...saved]).toEqual([...Array<number>(8).fill(0), 0x123, 0x76543217, ...Array<number>(6).fill(0)]);
    kpkeys.leaveContext(saved, 2, false);
    expect(register(cpu)).toEqual([0x123, 0x76543217]);
  });

  test.each([
    ["barrier", 3],
    ["immediate", 0],
  ] as const)(
    "writes the register, and leaving does; with synchronisation %s that takes %i barriers",
    (kind, barriers) => {
      const { kpkeys, cpu, saved } = switched(kind);
      const before = { ...cpu.counters };
      kpkeys.enterContext(CONTEXT, saved, 0);
      kpkeys.leaveContext(saved, 0, false);
      kpkeys.enterContext(CONTEXT, saved, 0);
      kpkeys.leaveContext(saved, 0, true);
      expect(kpkeys.counters).toEqual({ registerWrites: 4, barriers });
      expect(cpu.counters.pkeyRegisterWrites - before.pkeyRegisterWrites).toBe(4);
      expect(cpu.counters.barriers - before.barriers).toBe(barriers);
    },
  );

  test.each([true, false])("skips a write that changes nothing with skipEqualWrites, here %s", (skipEqualWrites) => {
    const { kpkeys, saved } = switched("barrier", { skipEqualWrites });
    kpkeys.enterContext(CONTEXT, saved, 0);
    expect(kpkeys.enterContext(CONTEXT, saved, 1)).toBe(!skipEqualWrites);
    expect(kpkeys.counters.registerWrites).toBe(skipEqualWrites ? 1 : 2);
  });

  test("writes if only one word changes", () => {
    for (const change of [
      { high: 1, low: 0 },
      { high: 0, low: 1 },
    ]) {
      const { kpkeys, cpu, saved } = switched();
      cpu.writePkeyRegister(0, 0);
      expect(kpkeys.enterContext({ name: "DEFAULT", clear: change, set: change }, saved, 0)).toBe(true);
      expect(register(cpu)).toEqual([change.high, change.low]);
    }
  });

  test("switches the current CPU", () => {
    const { kpkeys, cpu, cpus, saved } = switched();
    const second = createToy().cpu;
    cpus.current = second;
    kpkeys.enterContext(CONTEXT, saved, 0);
    expect([register(cpu), register(second)]).toEqual([
      [0x123, 0x76543217],
      [0x45, 0x57],
    ]);
  });
});

test("kernel pkeys are supported if the CPU has them, early and late", () => {
  for (const pkeys of [true, false]) {
    const { kpkeys } = switched("barrier", { pkeys });
    expect([kpkeys.supportsKpkeys(), kpkeys.supportsKpkeysEarly()]).toEqual([pkeys, pkeys]);
  }
});

test("keys have the generic numbers unless the architecture defines others", () => {
  expect(switched().kpkeys.pkeyNumbers).toEqual(GENERIC_PKEY_NUMBERS);
  const pkeyNumbers = { PGTABLES: 2 };
  expect(switched("barrier", { pkeyNumbers }).kpkeys.pkeyNumbers).toEqual(pkeyNumbers);
});
