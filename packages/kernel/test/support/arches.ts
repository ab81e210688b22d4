import { provide, resolve } from "@kpkeys/core";
import { CpuFactory, PageTableFormat, PgtableArch, PhysicalMemory } from "@kpkeys/core/contracts";
import type { DependencyContainer, Plugin } from "@kpkeys/core/contracts";
import { createCpu } from "@kpkeys/core/machine";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { createRegime } from "../../../../examples/odd-arch/src/regime.js";
import { createSystemRegisters } from "../../../../examples/odd-arch/src/registers.js";

/** The example architecture with something changed after it is set up. */
export function variant(change: (container: DependencyContainer) => void): Plugin {
  return {
    ...oddArch,
    setup(container, options) {
      oddArch.setup(container, options);
      change(container);
    },
  };
}

/** With other facts about how Linux writes tables there. */
export function pgtableVariant(change: Partial<PgtableArch>): Plugin {
  return variant((container) => {
    provide(container, PgtableArch, { ...resolve(container, PgtableArch), ...change });
  });
}

/** With a root for the kernel's half and another for the user's, as arm64 has them. */
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

/** With no leaf above the level of pages: neither the format nor the CPU takes one. */
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
