import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, resolve } from "@kpkeys/core";
import { AddressSpaces, Kpkeys, LazyMmu, LinearMap, Observers, Tasks } from "@kpkeys/core/contracts";
import type { Observer, Plugin } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES } from "./machines.js";

/** A machine that is observed from boot on. */
function observed(arch: string, observer: Observer, spec: Partial<MachineSpec> = {}): Machine {
  const memory = [{ bytes: 128 << 20 }];
  const tool: Plugin = {
    id: "tool",
    kind: "feature",
    description: "observes the machine",
    contract: 2,
    setup(container) {
      resolve(container, Observers).attach(observer);
    },
  };
  const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, tool]);
  return buildMachine({ ...DEFAULT_SPEC, memory, arch, features: ["pgtables", "tool"], ...spec }, registry);
}

describe.each(ARCHES)("an observer of a machine on %s", (arch) => {
  it("receives every table page, from the first one on, until it is freed", () => {
    const alive = new Map<number, string>();
    const machine = observed(arch, {
      tablePage(pfn, source, isAlive) {
        expect(alive.has(pfn)).toBe(!isAlive);
        if (isAlive) alive.set(pfn, source);
        else alive.delete(pfn);
      },
    });
    const spaces = machine.get(AddressSpaces);
    const expectAsScanned = (): void => {
      const bySource = Object.fromEntries(
        Object.entries(coverageOf(machine, machine.scan()).bySource).map(([source, { pages }]) => [source, pages]),
      );
      const seen = { static: 0, early: 0, vmemmap: 0, kernel: 0, user: 0, unknown: 0, ...countsOf(alive.values()) };
      // The image's pools may hold pages in reserve, which no root leads to.
      expect({ ...seen, static: 0 }).toEqual({ ...bySource, static: 0 });
      expect(seen.static).toBeGreaterThanOrEqual(bySource["static"]!);
    };
    expectAsScanned();
    const mm = spaces.create();
    expectAsScanned();
    spaces.put(mm);
    expectAsScanned();
  });

  it("receives contexts and lazy MMU sections, each entered before it is left, with the register written in between", () => {
    const seen: unknown[] = [];
    const machine = observed(arch, {
      context: (cpu, context) => seen.push([cpu, context]),
      lazyMmu: (cpu, active) => seen.push([cpu, active]),
      registerWrite: () => seen.push("register"),
    });
    seen.length = 0;
    const kpkeys = machine.get(Kpkeys);
    kpkeys.leaveContext(kpkeys.enterContext("PGTABLES"));
    expect(seen.splice(0)).toEqual(["register", [0, "PGTABLES"], "register", [0, undefined]]);

    const lazy = machine.get(LazyMmu);
    lazy.enable();
    lazy.enable();
    lazy.disable();
    lazy.pause();
    lazy.resume();
    lazy.disable();
    const section = [[0, true], "register", [0, "PGTABLES"], "register", [0, undefined], [0, false]];
    expect(seen).toEqual([...section, ...section]);
  });

  it("receives task switches with the CPU on which they are", () => {
    const seen: number[][] = [];
    const machine = observed(arch, { taskSwitch: (...what) => seen.push(what) }, { cpus: 2 });
    seen.length = 0;
    const tasks = machine.get(Tasks);
    const spaces = machine.get(AddressSpaces);
    const task = tasks.create(spaces.create());
    tasks.switchTo(task);
    machine.cpus.current = machine.cpus.all[1]!;
    tasks.switchTo(task);
    tasks.exit(task);
    expect(seen).toEqual([
      [0, 0, task.tid],
      [0, task.tid, 0],
      [1, 1, task.tid],
      [1, task.tid, 1],
    ]);
  });
});

it("an observed machine that is strict is strict all the same", () => {
  let barriers = 0;
  let unsynchronised = 0;
  const observer: Observer = { barrier: () => barriers++, unsynchronisedAccess: () => unsynchronised++ };
  const machine = observed("arm64-poe", observer, { strict: true });
  expect(barriers).toBeGreaterThan(0);
  const cpu = machine.cpus.current;
  const { set } = machine.get(Kpkeys).compiled("PGTABLES");
  const linear = machine.get(LinearMap);
  const { pfn } = machine.scan().find(({ source }) => source === "early")!;
  cpu.writePkeyRegister(set.high, set.low);
  expect(() => cpu.store64(linear.address(pfn).high, linear.address(pfn).low, 0, 0)).toThrow(
    expect.objectContaining({ code: "ERR_UNSYNCHRONISED" }),
  );
  expect(unsynchronised).toBe(0);
});

function countsOf(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
