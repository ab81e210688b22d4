import { createContainer, provide, resolve } from "@kpkeys/core";
import type { DependencyContainer } from "@kpkeys/core";
import { ArchTools, CpuFactory, PageTableFormat, PhysicalMemory, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, MemoryBank, PluginOptions } from "@kpkeys/core/contracts";
import { createPhysicalMemory } from "@kpkeys/core/machine";
import { arm64Poe } from "../src/index.js";

/** A machine of the plugin with one CPU. */
export interface TestMachine {
  readonly container: DependencyContainer;
  readonly memory: PhysicalMemory;
  readonly cpu: Cpu;
  readonly format: PageTableFormat;
  readonly tools: ArchTools;
  /** Writes the tables of one address, in pages from `firstPfn` on. @param entries - from the top, the leaf last, unchanged */
  map(va: bigint, entries: readonly bigint[]): void;
}

/** Bits 63 to 32 of a value. */
export const high = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
/** Bits 31 to 0 of a value. */
export const low = (value: bigint): number => Number(BigInt.asIntN(32, value));
/** Two words as one value. */
export const join = (word: { readonly high: number; readonly low: number }): bigint =>
  (BigInt(word.high >>> 0) << 32n) | BigInt(word.low >>> 0);

export const RAM: MemoryBank = { firstPfn: toPfn(0x80000), pages: 0x10000 };

export function createMachine(options: PluginOptions = {}, bank: MemoryBank = RAM): TestMachine {
  const container = createContainer();
  const pageShift = Math.log2((options["pageSize"] as number | undefined) ?? 4096);
  const memory = createPhysicalMemory([bank], { reservePages: 256, pageShift });
  provide(container, PhysicalMemory, memory);
  arm64Poe.setup(container, options);
  const cpu = resolve(container, CpuFactory).create(0);
  const format = resolve(container, PageTableFormat);
  return {
    container,
    memory,
    cpu,
    format,
    tools: resolve(container, ArchTools),
    map(va, entries) {
      memory.reset();
      let table = bank.firstPfn;
      cpu.mmu.setKernelRoot(toPfn(table));
      cpu.mmu.setUserRoot(toPfn(table), toAsid(1));
      entries.forEach((entry, level) => {
        memory.write(table, format.index(toLevel(level), high(va), low(va)), { high: high(entry), low: low(entry) });
        table = format.pfnOf(high(entry), low(entry));
      });
      cpu.mmu.invalidateAll();
      cpu.mmu.enabled = true;
    },
  };
}

/** Three tables above a leaf, in the pages after the root. */
export const UPPER: readonly bigint[] = [0x80001403n, 0x80002403n, 0x80003403n];
