import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { bpfHardening } from "@kpkeys/bpf-hardening";
import { createPluginRegistry } from "@kpkeys/core";
import { LinearMap, Rcu, SlabAllocator, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, PluginOptions, WalkStep, Words } from "@kpkeys/core/contracts";
import { credHardening } from "@kpkeys/cred-hardening";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { secretKeys } from "@kpkeys/secret-keys";
import { expect } from "vitest";

/** The architectures that every test of a machine runs on. */
export const ARCHES = ["arm64-poe", "x86-pks"] as const;

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening, bpfHardening, secretKeys]);

/** A small machine, without any hardening unless the specification names it. */
export function machine(arch: string, spec: Partial<MachineSpec> = {}): Machine {
  return buildMachine({ ...DEFAULT_SPEC, memory: [{ bytes: 128 * 1024 * 1024 }], arch, ...spec }, registry);
}

/** A small machine with hardened page tables. */
export function hardened(arch: string, pgtables: PluginOptions = {}, spec: Partial<MachineSpec> = {}): Machine {
  return machine(arch, { features: ["pgtables"], ...spec, options: { ...spec.options, pgtables } });
}

/** Lets pass what ends late: callbacks of RCU, and pages that slab caches keep for later. */
export function settle(machine: Machine): void {
  machine.get(Rcu).synchronize();
  for (const cache of machine.get(SlabAllocator).caches) cache.shrink();
}

/** The pages whose translations on a CPU are stale. */
export function staleOn(cpu: Cpu): Words[] {
  const pages: Words[] = [];
  const count = cpu.mmu.auditTlb((high, low) => pages.push({ high, low }));
  expect(pages).toHaveLength(count);
  return pages;
}

/** The leaf that the CPU's own walk finds for a page of RAM. */
export function leafOf(machine: Machine, pfn: number): WalkStep {
  const map = machine.get(LinearMap);
  let last: WalkStep | undefined;
  machine.cpus.current.mmu.walk(
    map.address(toPfn(pfn)).high,
    map.address(toPfn(pfn)).low,
    (step) => (last = { ...step }),
  );
  return last!;
}
