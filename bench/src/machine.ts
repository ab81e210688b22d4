import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { buildMachine } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";

/** The id of an architecture. */
export type ArchId = "arm64-poe" | "x86-pks";

const PLUGINS: Readonly<Record<ArchId, Plugin>> = { "arm64-poe": arm64Poe, "x86-pks": x86Pks };

/** All architectures. */
export const ARCHES: readonly ArchId[] = ["arm64-poe", "x86-pks"];

/** Options of {@link boot}. */
export interface MachineOptions {
  /** RAM in MiB; 16 GiB if left out, like the C reference. */
  readonly mib?: number;
  /** Whether the kernel has the feature pgtables; true if left out. */
  readonly hardened?: boolean;
  /** Whether the CPUs have kernel pkeys; true if left out. */
  readonly pkeys?: boolean;
}

/**
 * Boots a machine with one CPU and default policies.
 * @param arch - its architecture
 * @param options - memory, feature and pkeys
 */
export function boot(arch: ArchId, { mib = 16_384, hardened = true, pkeys = true }: MachineOptions = {}): Machine {
  const plugins = hardened ? [PLUGINS[arch], pgtablesHardening] : [PLUGINS[arch]];
  return buildMachine(
    {
      arch,
      features: hardened ? ["pgtables"] : [],
      options: { [arch]: { pkeys } },
      memory: [{ bytes: mib * 2 ** 20 }],
      cpus: 1,
      boot: { rodata: "on" },
      strict: false,
      seed: 1,
    },
    createPluginRegistry(plugins),
  );
}
