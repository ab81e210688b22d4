import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { KpkeysArch, LazyMmu, LinearMap, PageTables, SetMemory } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC, KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replacing } from "./broken/breaking.js";

const ARCHES = [arm64Poe, x86Pks];
const TABLES = 4;
/** More values of the key register than are remembered at a time. */
const VALUES = 12;
/** The key of page tables, and one that no context opens. */
const KEYS = [1, 7];

/** What can come between two writes of entries; `set` is such a write. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("set"), table: fc.nat(TABLES - 1), index: fc.nat(511) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("register"), table: fc.nat(VALUES - 1), index: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("key"), table: fc.nat(TABLES - 1), index: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lazy"), table: fc.nat(0), index: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush"), table: fc.nat(0), index: fc.nat(0) }) },
);

interface Subject {
  readonly machine: Machine;
  readonly own: readonly number[];
}

function subject(arch: typeof arm64Poe, batching: boolean): Subject {
  const machine = buildMachine(
    {
      ...DEFAULT_SPEC,
      arch: arch.id,
      memory: [{ bytes: 128 * 1024 * 1024 }],
      features: ["pgtables"],
      options: { pgtables: { batching } },
    },
    createPluginRegistry([arch, pgtablesHardening]),
  );
  return { machine, own: Array.from({ length: TABLES }, () => machine.get(PageTables).allocTable("kernel")) };
}

/** Does a step. @returns what could be seen of it at once */
function take(
  { machine, own }: Subject,
  { kind, table, index }: { kind: string; table: number; index: number },
): unknown {
  const cpu = machine.cpus.current;
  const lazy = machine.get(LazyMmu);
  const map = machine.get(LinearMap);
  switch (kind) {
    case "set":
      try {
        machine.get(PageTables).setPte(own[table]!, index, 0, (index << 12) | 3);
        return "stored";
      } catch (error) {
        if (!(error instanceof KernelFault)) throw error;
        return [error.message, error.report];
      }
    case "register":
      // The rights of a key that nobody uses change; the value may be left to wait for its synchronisation.
      cpu.writePkeyRegister(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow ^ (table << 20));
      if (index === 0) cpu.synchronise();
      return cpu.pkeyRegisterLow;
    case "key": {
      const pfn = own[table]!;
      return machine.get(SetMemory).setMemoryPkey(map.addressHigh(pfn), map.addressLow(pfn), 1, KEYS[index]!);
    }
    case "lazy":
      if (lazy.isActive()) lazy.disable();
      else lazy.enable();
      return lazy.isActive();
    default:
      cpu.mmu.invalidateAll();
      return kind;
  }
}

/** All that a kernel could tell apart. */
function seen({ machine, own }: Subject): unknown {
  const pages = own.map((table) => {
    const page = new Int32Array(1024);
    machine.memory.read(table, page);
    return [...page];
  });
  const { counters, pkeyRegisterHigh, pkeyRegisterLow } = machine.cpus.current;
  const arch = { ...machine.get(KpkeysArch).counters };
  return [pages, { ...counters }, pkeyRegisterHigh, pkeyRegisterLow, arch, machine.counters()];
}

describe.each(ARCHES)("a guarded write in one step on $id", (arch) => {
  const inSteps = replacing(arch, KpkeysArch, () => ({ storesInOneStep: false }));

  it.each([true, false])("is what the steps are, whatever comes between (batching %s)", (batching) => {
    let oneStep = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const subjects = [subject(arch, batching), subject(inSteps, batching)];
        const [got, expected] = subjects.map((one) => [steps.map((each) => take(one, each)), seen(one)]);
        expect(got).toEqual(expected);
        oneStep += subjects[0]!.machine.cpus.current.storesInContext;
        expect(subjects[1]!.machine.cpus.current.storesInContext).toBe(0);
      }),
      { numRuns: 30 },
    );
    expect(oneStep).toBeGreaterThan(0);
  });
});
