import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Access, FAULT, FaultKind, OK, Privilege } from "../../src/contracts/index.js";
import type { Cpu, PkeyRegister, PkeyValue, Words } from "../../src/contracts/index.js";
import { createCpu, MaskingKpkeysArch } from "../../src/machine/index.js";
import { changePkeyValue, pkeyValueOf, writePkeyValue } from "../../src/pkey-value.js";
import { codeOf } from "../code-of.js";
import { GRANTING } from "../framework/tiny-arch.js";
import { createToy, D, FIRST_DATA_PFN, G, high, leaf, low, W, X } from "./toy.js";

const VA = 0xffffff8000000000n;
const RESET = { high: 5, low: 6 };

/** The toy with another register for fetches: bit n of its low word withholds execution of pages with key n. */
function twoRegisters(needsBarrier: boolean): Cpu {
  const toy = createToy({ needsBarrier });
  const cpu = createCpu({
    id: 0,
    memory: toy.memory,
    systemRegisters: toy.cpu.systemRegisters,
    regime: {
      ...toy.regime,
      fetchRegisterReset: RESET,
      check(attributes, access, privilege, pkeyHigh, pkeyLow) {
        if (access !== Access.FETCH) return toy.regime.check(attributes, access, privilege, pkeyHigh, pkeyLow);
        return ((pkeyLow >>> toy.regime.pkeyOf(attributes)) & 1) !== 0 ? FaultKind.PKEY : FaultKind.NONE;
      },
    },
  });
  cpu.mmu.setKernelRoot(toy.cpu.mmu.kernelRoot);
  cpu.mmu.enabled = true;
  toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, W | X | G | D, 1));
  return cpu;
}

const fetch = (cpu: Cpu): number => cpu.access(high(VA), low(VA), Access.FETCH, Privilege.KERNEL);
const store = (cpu: Cpu): number => cpu.store64(high(VA), low(VA), 0, 1);

describe.each([true, false])("a register for fetches, with barriers: %s", (needsBarrier) => {
  test("decides fetches alone, from its synchronisation on; the key register decides data accesses alone", () => {
    const cpu = twoRegisters(needsBarrier);
    writePkeyValue(cpu, { high: 0, low: 0, fetch: { high: 0, low: 0 } });
    cpu.synchronise();
    expect([fetch(cpu), store(cpu)]).toEqual([OK, OK]);
    cpu.writeFetchRegister(0, 2);
    // The pending write does not close the fast path of data accesses.
    expect([fetch(cpu), store(cpu)]).toEqual([needsBarrier ? OK : FAULT, OK]);
    expect(cpu.counters.unsynchronised).toBe(needsBarrier ? 1 : 0);
    cpu.synchronise();
    expect([fetch(cpu), store(cpu), cpu.fault.pkeyRegisterLow]).toEqual([FAULT, OK, 2]);
    writePkeyValue(cpu, { high: 0, low: 3 << 2, fetch: { high: 0, low: 1 } });
    cpu.synchroniseByException();
    expect([fetch(cpu), store(cpu), cpu.fault.pkeyRegisterLow]).toEqual([OK, FAULT, 3 << 2]);
    expect([cpu.counters.pkeyRegisterWrites, cpu.counters.barriers]).toEqual([5, needsBarrier ? 2 : 0]);
    cpu.reset();
    expect(cpu.fetchRegister).toEqual(RESET);
  });
});

test("a CPU with one register has none, and refuses a write of it", () => {
  const { cpu } = createToy();
  expect(cpu.fetchRegister).toBeUndefined();
  expect(
    codeOf(() => {
      cpu.writeFetchRegister(0, 0);
    }),
  ).toBe("ERR_API_MISUSE");
});

describe("contexts in two registers", () => {
  const words = fc.record({ high: fc.integer(), low: fc.integer() });
  const value = fc.record({ high: fc.integer(), low: fc.integer(), fetch: words });
  const within = (mask: Words, bits: Words): Words => ({ high: bits.high & mask.high, low: bits.low & mask.low });
  const register: PkeyRegister = { ...GRANTING, fetchName: "FETCH", synchronisation: "barrier" };

  test("change the masked bits of both, and restore both, with a write for each register that differs", () => {
    fc.assert(
      fc.property(value, value, value, fc.boolean(), (before, clear, bits, skipEqualWrites) => {
        const cpu = twoRegisters(true);
        const cpus = { all: [cpu], current: cpu };
        const arch = new MaskingKpkeysArch(() => cpus, { register, pkeys: true, skipEqualWrites });
        const set: PkeyValue = { ...within(clear, bits), fetch: within(clear.fetch, bits.fetch) };
        writePkeyValue(cpu, before);
        cpu.synchronise();
        const saved = new Int32Array(12);
        const inside = changePkeyValue(before, clear, set);
        const differs = [
          inside.high !== before.high || inside.low !== before.low,
          inside.fetch!.high !== before.fetch.high || inside.fetch!.low !== before.fetch.low,
        ].filter((each) => each || !skipEqualWrites).length;

        const counted = { ...cpu.counters };
        expect(arch.enterContext({ name: "DEFAULT", clear, set }, saved, 1)).toBe(differs > 0);
        expect(pkeyValueOf(cpu)).toEqual(inside);
        expect([arch.counters.registerWrites, arch.counters.barriers]).toEqual([differs, differs > 0 ? 1 : 0]);
        if (differs > 0) arch.leaveContext(saved, 1, false);
        expect(pkeyValueOf(cpu)).toEqual(before);
        expect(arch.counters.registerWrites).toBe(2 * differs);
        expect(cpu.counters.pkeyRegisterWrites - counted.pkeyRegisterWrites).toBe(2 * differs);
        expect([...saved].every((word, at) => word === 0 || (at >= 4 && at < 8))).toBe(true);
      }),
    );
  });
});
