import { createPluginRegistry } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { withDependencies } from "./plugins.js";

/**
 * Makes the machine that rules about kernels and features run on: 256 MiB and two CPUs.
 *
 * @param arch - the architecture
 * @param features - the features; what they depend on comes along
 * @param spec - what is to differ
 * @returns the machine, booted
 */
export function makeMachine(arch: Plugin, features: readonly Plugin[], spec: Partial<MachineSpec> = {}): Machine {
  const plugins = withDependencies([arch, ...features]);
  return buildMachine(
    {
      ...DEFAULT_SPEC,
      memory: [{ bytes: 256 * 1024 * 1024 }],
      cpus: 2,
      arch: arch.id,
      features: plugins.filter(({ kind }) => kind === "feature").map(({ id }) => id),
      ...spec,
    },
    createPluginRegistry(plugins),
  );
}
