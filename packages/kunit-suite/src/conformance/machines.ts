import { createContainer, createPluginRegistry, registerFramework, resolve } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import { PageTableFormat, PgtableArch } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { BANK_ALIGNMENT, buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { withDependencies } from "./plugins.js";

/** Pages of RAM: 256 MiB with pages of 4 KiB, 4 GiB with pages of 64 KiB. Boot needs a number of pages, not of bytes. */
const RAM_PAGES = 65_536;

/**
 * Boots the machine of the rules about kernels and features: 65,536 pages of RAM and two CPUs.
 *
 * @param arch - the architecture
 * @param features - the features; their dependencies are added
 * @param spec - changes of the specification
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

/** Bytes of RAM, of which at least half of the pages are above the kernel image. A separate set-up gives page size and offset. */
function ramOf(arch: Plugin, registry: PluginRegistry): number {
  const container = createContainer();
  registerFramework(container);
  registry.setUp(container, arch.id, []);
  const pageBytes = 2 ** resolve(container, PageTableFormat).geometry.pageShift;
  const { imageOffset } = resolve(container, PgtableArch).layout;
  const bytes = Math.max(RAM_PAGES * pageBytes, imageOffset + (RAM_PAGES / 2) * pageBytes);
  return Math.ceil(bytes / BANK_ALIGNMENT) * BANK_ALIGNMENT;
}
