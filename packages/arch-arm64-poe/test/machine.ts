import { createContainer, resolve } from "@kpkeys/core";
import type { DependencyContainer } from "@kpkeys/core";
import { ArchTools, CpuFactory, PageTableFormat, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Cpu, PluginOptions } from "@kpkeys/core/contracts";
import { createPhysicalMemory } from "@kpkeys/core/machine";
import type { MemoryBank } from "@kpkeys/core/contracts";
import { arm64Poe } from "../src/index.js";

/** A machine of the plugin as a specification would make it: one CPU. */
export interface TestMachine {
  readonly container: DependencyContainer;
  readonly memory: PhysicalMemory;
  readonly cpu: Cpu;
  readonly format: PageTableFormat;
  readonly tools: ArchTools;
}

export function createMachine(options: PluginOptions, bank: MemoryBank): TestMachine {
  const container = createContainer();
  const memory = createPhysicalMemory([bank]);
  container.registerInstance(PhysicalMemory, memory);
  arm64Poe.setup(container, options);
  return {
    container,
    memory,
    cpu: resolve(container, CpuFactory).create(0),
    format: resolve(container, PageTableFormat),
    tools: resolve(container, ArchTools),
  };
}
