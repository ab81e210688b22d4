import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { Kpkeys } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { runSuites } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, test } from "vitest";
import { SelinuxState, selinuxState } from "../src/index.js";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, selinuxState]);

function boot(arch: string, features: readonly string[], pkeys = true): Machine {
  return buildMachine({ ...DEFAULT_SPEC, arch, features, options: { [arch]: { pkeys } } }, registry);
}

function statusOf(machine: Machine): string {
  const suite = runSuites(machine).find(({ name }) => name === "kpkeys_selinux_state");
  return suite!.cases.map(({ status }) => status).join();
}

describe.each(["arm64-poe", "x86-pks"])("on %s", (arch) => {
  test.each(["selinux-state", "pgtables,selinux-state"])("the flag is protected with the features %s", (features) => {
    expect(statusOf(boot(arch, features.split(",")))).toBe("passed");
  });

  test("the suite is skipped on a CPU without kernel pkeys", () => {
    const machine = boot(arch, ["selinux-state"], false);
    expect(statusOf(machine)).toBe("skipped");
    expect(machine.get(SelinuxState).enforcing()).toBe(true);
  });

  test("exercise() writes the flag and leaves the policy enforced", () => {
    const machine = boot(arch, ["selinux-state"]);
    const before = machine.counters().registerWrites;
    selinuxState.exercise!(machine);
    expect(machine.counters().registerWrites).toBeGreaterThan(before);
    expect(machine.get(SelinuxState).enforcing()).toBe(true);
  });

  test("the key is not that of page tables", () => {
    const kpkeys = boot(arch, ["pgtables", "selinux-state"]).get(Kpkeys);
    expect(kpkeys.pkey("SELINUX_STATE")).not.toBe(kpkeys.pkey("PGTABLES"));
  });
});
