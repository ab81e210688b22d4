import { createPluginRegistry } from "@kpkeys/core";
import {
  LinearMap,
  OK,
  PageAllocator,
  PageKeys,
  PageTables,
  SetMemory,
  toPfn,
  toPkey,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { Cpu, Vpn } from "@kpkeys/core/contracts";
import { credHardening } from "@kpkeys/cred-hardening";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, countResults, runSuites } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { frameKeys } from "../../../examples/frame-keys/src/index.js";

const registry = createPluginRegistry([frameKeys, pgtablesHardening, credHardening]);

const NO_KEY = toPkey(0);
const PGTABLES = toPkey(1);

function boot(spec: Partial<MachineSpec> = {}): Machine {
  const features = ["pgtables", "cred"];
  const base = { ...DEFAULT_SPEC, memory: [{ bytes: 2 ** 27 }], cpus: 2, arch: "frame-keys", features };
  return buildMachine({ ...base, ...spec }, registry);
}

/** Number of blocks of the linear map. */
const blocksOf = (machine: Machine): number =>
  machine
    .get(LinearMap)
    .stats()
    .leaves.filter(({ bytes }) => bytes > 4096)
    .reduce((sum, { count }) => sum + count, 0);

describe.each(["pte", "block"] as const)("with keys of frames and a linear map of the policy %s", (linearMap) => {
  it("the suites of all features pass, and every probe store is blocked", () => {
    const machine = boot({ kernel: { linearMap } });
    const { passed, failed, skipped } = countResults(runSuites(machine));
    expect([failed, skipped]).toEqual([0, 0]);
    expect(passed).toBeGreaterThan(5);
    const { tried, blocked, gaps } = attack(machine, machine.scan());
    expect(gaps).toEqual([]);
    expect(blocked).toBe(tried);
    expect(tried).toBeGreaterThan(0);
  });

  it("no block is split for a key", () => {
    const machine = boot({ kernel: { linearMap } });
    const before = blocksOf(machine);
    for (let i = 0; i < 64; i++) machine.get(PageTables).allocTable("kernel");
    expect(machine.get(LinearMap).stats().splits).toBe(0);
    expect(blocksOf(machine)).toBe(before);
    expect(before > 0).toBe(linearMap === "block");
  });
});

describe("set_memory_pkey with keys of frames", () => {
  const machine = boot();
  const pfn = machine.get(PageAllocator).alloc(2)!;
  const page = machine.get(LinearMap).pageOf(pfn);
  const keyOf = (frame: number): number => machine.get(PageKeys).ofFrame(toPfn(frame))!;

  it("sets the keys of exactly its frames, changes no entry, and leaves no stale translation", () => {
    const before = machine.digestTables();
    for (const cpu of machine.cpus.all) for (let i = 0; i < 4; i++) store(cpu, toVpn(page + i));
    expect(machine.get(SetMemory).setMemoryPkey(toVpn(page + 1), 2, PGTABLES)).toBe(0);
    expect([0, 1, 2, 3].map((i) => keyOf(pfn + i))).toEqual([0, 1, 1, 0]);
    expect(machine.digestTables()).toBe(before);
    for (const cpu of machine.cpus.all) {
      expect([0, 1, 2, 3].map((i) => store(cpu, toVpn(page + i)))).toEqual([true, false, false, true]);
      expect(cpu.mmu.auditTlb(() => undefined)).toBe(0);
    }
    expect(machine.get(SetMemory).setMemoryPkey(page, 4, NO_KEY)).toBe(0);
    expect([0, 1, 2, 3].map((i) => keyOf(pfn + i))).toEqual([0, 0, 0, 0]);
  });

  /** A store of the value that the first word of a page has. @returns whether it succeeds */
  function store(cpu: Cpu, at: Vpn): boolean {
    const { high, low } = wordsOf(at, 12);
    return cpu.store64(high, low, 0, 0) === OK;
  }
});

describe("the watch of a machine with keys of frames", () => {
  it("finds a table page whose key was taken away, although no entry changed, as the scan does", () => {
    const machine = boot({ features: ["pgtables"] });
    const watch = machine.watch();
    const table = machine.get(PageTables).root;
    watch.look();
    expect([watch.open, watch.look()]).toEqual([0, false]);
    machine.get(PageKeys).set([{ pfn: table, pages: 1 }], NO_KEY, () => 0);
    expect([watch.look(), watch.open]).toEqual([true, 1]);
    expect(coverageOf(machine, machine.scan()).gaps.map(({ table: pfn }) => pfn)).toEqual([table]);
  });
});
