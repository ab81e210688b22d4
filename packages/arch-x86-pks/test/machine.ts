import { createContainer, provide, resolve } from "@kpkeys/core";
import type { DependencyContainer } from "@kpkeys/core";
import { ArchTools, CpuFactory, PageTableFormat, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, PluginOptions } from "@kpkeys/core/contracts";
import { createPhysicalMemory, fromWords, toWords } from "@kpkeys/core/machine";
import { x86Pks } from "../src/index.js";

/** A machine of the plugin with one CPU and RAM from 0. */
export interface TestMachine {
  readonly container: DependencyContainer;
  readonly memory: PhysicalMemory;
  readonly cpu: Cpu;
  readonly format: PageTableFormat;
  readonly tools: ArchTools;
  /** Writes the tables of one address. @param entries - from the top, the leaf last, without addresses */
  map(va: bigint, entries: readonly bigint[], leafPfn: number): void;
  /** The entries of the last {@link map} as they are now, without addresses. */
  entries(): bigint[];
}

const SHIFTS = [39n, 30n, 21n, 12n];
const ADDRESS = ((1n << 52n) - 1n) & ~0xfffn;

export function createMachine(options: PluginOptions = {}, pages = 4096): TestMachine {
  const container = createContainer();
  const memory = createPhysicalMemory([{ firstPfn: toPfn(0), pages }]);
  provide(container, PhysicalMemory, memory);
  x86Pks.setup(container, options);
  const cpu = resolve(container, CpuFactory).create(0);
  let slots: { table: number; index: number }[] = [];

  return {
    container,
    memory,
    cpu,
    format: resolve(container, PageTableFormat),
    tools: resolve(container, ArchTools),
    map(va, entries, leafPfn) {
      memory.reset();
      slots = entries.map((_, level) => ({ table: 1 + level, index: Number((va >> SHIFTS[level]!) & 511n) }));
      entries.forEach((entry, level) => {
        const pfn = level === entries.length - 1 ? leafPfn : 2 + level;
        const { high, low } = toWords(entry | (BigInt(pfn) << 12n));
        memory.write(toPfn(slots[level]!.table), slots[level]!.index, { high, low });
      });
      cpu.mmu.setKernelRoot(toPfn(1));
      cpu.mmu.invalidateAll();
      cpu.mmu.enabled = true;
    },
    entries: () =>
      slots.map(({ table, index }) => {
        const { high, low } = memory.read(toPfn(table), index);
        return fromWords(high, low) & ~ADDRESS;
      }),
  };
}
