import { provide, resolve } from "@kpkeys/core";
import { CpuFactory, PageTableFormat, PgtableArch, PhysicalMemory } from "@kpkeys/core/contracts";
import type { ByteOrder, DependencyContainer, Plugin } from "@kpkeys/core/contracts";
import { createCpu } from "@kpkeys/core/machine";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { createRegime } from "../../../../examples/odd-arch/src/regime.js";
import { createSystemRegisters } from "../../../../examples/odd-arch/src/registers.js";

/** The example architecture with a change after its setup. */
export function variant(change: (container: DependencyContainer) => void): Plugin {
  return {
    ...oddArch,
    setup(container, options) {
      oddArch.setup(container, options);
      change(container);
    },
  };
}

/** The example architecture with other properties of `PgtableArch`. */
export function pgtableVariant(change: Partial<PgtableArch>): Plugin {
  return variant((container) => {
    provide(container, PgtableArch, { ...resolve(container, PgtableArch), ...change });
  });
}

/** The example architecture with other byte orders. */
export function byteOrders(byteOrder: ByteOrder, entryByteOrder: ByteOrder): Plugin {
  return variant((container) => {
    const format = resolve(container, PageTableFormat);
    provide(container, PageTableFormat, { ...format, geometry: { ...format.geometry, byteOrder, entryByteOrder } });
  });
}

/** The example architecture with separate roots for the kernel's and the user's half, as on arm64. */
export const splitRoots: Plugin = variant((container) => {
  const format = resolve(container, PageTableFormat);
  provide(container, PageTableFormat, { ...format, geometry: { ...format.geometry, splitRoots: true } });
  provide(container, CpuFactory, {
    create(id) {
      const systemRegisters = createSystemRegisters(true);
      const regime = { ...createRegime(systemRegisters.controls), splitRoots: true };
      return createCpu({ id, regime, memory: resolve(container, PhysicalMemory), systemRegisters });
    },
  });
});

/** The example architecture without block mappings, in the format and in the CPU. */
export const pagesOnly: Plugin = variant((container) => {
  const format = resolve(container, PageTableFormat);
  const levels = format.geometry.levels.map((level) => ({ ...level, leaf: level.name === "pte" }));
  provide(container, PageTableFormat, { ...format, geometry: { ...format.geometry, levels } });
  provide(container, CpuFactory, {
    create(id) {
      const systemRegisters = createSystemRegisters(true);
      const regime = createRegime(systemRegisters.controls);
      const lastLevel = regime.levels.length - 1;
      const decoding = regime.levels.map((level, i) => (i === lastLevel ? level : { ...level, leaf: -1 }));
      const memory = resolve(container, PhysicalMemory);
      return createCpu({ id, regime: { ...regime, levels: decoding }, memory, systemRegisters });
    },
  });
});
