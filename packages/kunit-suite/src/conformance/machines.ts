import { createContainer, createPluginRegistry, registerFramework, resolve } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import { PageTableFormat, PgtableArch } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { BANK_ALIGNMENT, buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { withDependencies } from "./plugins.js";

/** Pages of RAM: 256 MiB of pages of 4 KiB, and 4 GiB of 64 KiB. The kernel image and all that boot maps are counted in pages too. */
const RAM_PAGES = 65_536;

/**
 * Makes the machine that rules about kernels and features run on: 65,536 pages and two CPUs.
 *
 * @param arch - the architecture
 * @param features - the features; what they depend on comes along
 * @param spec - what is to differ
 * @returns the machine, booted
 */
export function makeMachine(arch: Plugin, features: readonly Plugin[], spec: Partial<MachineSpec> = {}): Machine {
  const plugins = withDependencies([arch, ...features]);
  const registry = createPluginRegistry(plugins);
  return buildMachine(
    {
      ...DEFAULT_SPEC,
      memory: [{ bytes: ramOf(arch, registry) }],
      cpus: 2,
      arch: arch.id,
      features: plugins.filter(({ kind }) => kind === "feature").map(({ id }) => id),
      ...spec,
    },
    registry,
  );
}

/** Bytes of RAM, half of its pages at least after the place of the kernel image. The architecture is set up apart to ask for both. */
function ramOf(arch: Plugin, registry: PluginRegistry): number {
  const container = createContainer();
  registerFramework(container);
  registry.setUp(container, arch.id, []);
  const pageBytes = 2 ** resolve(container, PageTableFormat).geometry.pageShift;
  const { imageOffset } = resolve(container, PgtableArch).layout;
  const bytes = Math.max(RAM_PAGES * pageBytes, imageOffset + (RAM_PAGES / 2) * pageBytes);
  return Math.ceil(bytes / BANK_ALIGNMENT) * BANK_ALIGNMENT;
}
