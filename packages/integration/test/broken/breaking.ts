import { overriding, provide, resolve } from "@kpkeys/core";
import { CpuFactory, FrameKeys, KpkeysArch, PageTableFormat, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Cpu, DependencyContainer, EntryKeys, Mmu, Plugin, Token } from "@kpkeys/core/contracts";
import { createCpu } from "@kpkeys/core/machine";
import type { TranslationRegime } from "@kpkeys/core/machine";
import type { ConformanceSubject } from "@kpkeys/kunit-suite/conformance";
import { frameKeys } from "../../../../examples/frame-keys/src/plugin.js";
import { oddArch } from "../../../../examples/odd-arch/src/plugin.js";
import { createRegime } from "../../../../examples/odd-arch/src/regime.js";
import { createSystemRegisters } from "../../../../examples/odd-arch/src/registers.js";

/** A plugin that is broken in one way, and the rule that must report it. */
export interface Broken {
  /** Id of the rule. */
  readonly rule: string;
  /** How it is broken. */
  readonly how: string;
  /** The plugin. */
  readonly plugin: Plugin;
  /** The status of the rule. Default: `failed`. */
  readonly status?: "not judged";
  /** Text that the findings or the reason must have: the place of the bug. */
  readonly names?: string;
  /** Its package, where that is what is broken. */
  readonly package?: Pick<ConformanceSubject, "exports" | "files">;
}

/** A plugin that changes something once it is set up. */
export function after(base: Plugin, change: (container: DependencyContainer) => void): Plugin {
  return {
    ...base,
    setup(container, options) {
      base.setup(container, options);
      change(container);
    },
  };
}

/** A plugin one of whose contracts has other members. */
export function replacing<T extends object>(
  base: Plugin,
  token: Token<T>,
  change: (original: T) => Partial<T>,
): Plugin {
  return after(base, (container) => {
    const original = resolve(container, token);
    provide(container, token, overriding(original, change(original)));
  });
}

/** The odd architecture with other functions of its format. */
export const format = (change: (original: PageTableFormat) => Partial<PageTableFormat>): Plugin =>
  replacing(oddArch, PageTableFormat, change);

/** The odd architecture with other functions of the keys in its entries. */
export const entryKeys = (change: (original: EntryKeys) => Partial<EntryKeys>): Plugin =>
  format(({ entryKeys: original }) => ({ entryKeys: { ...original!, ...change(original!) } }));

/** The architecture with keys of frames, with other functions of them. */
export const frames = (change: (original: FrameKeys, container: DependencyContainer) => Partial<FrameKeys>): Plugin =>
  after(frameKeys, (container) => {
    const original = resolve(container, FrameKeys);
    provide(container, FrameKeys, overriding(original, change(original, container)));
  });

/** The odd architecture with other functions of its kpkeys. */
export const kpkeys = (change: (original: KpkeysArch) => Partial<KpkeysArch>): Plugin =>
  replacing(oddArch, KpkeysArch, change);

/** The odd architecture with other rules of translation. */
export function regime(change: (original: TranslationRegime) => Partial<TranslationRegime>): Plugin {
  return after(oddArch, (container) => {
    provide(container, CpuFactory, {
      create(id) {
        const systemRegisters = createSystemRegisters(true);
        const original = createRegime(systemRegisters.controls);
        const memory = resolve(container, PhysicalMemory);
        return createCpu({ id, regime: { ...original, ...change(original) }, memory, systemRegisters });
      },
    });
  });
}

/** The odd architecture with CPUs that do some things in their own way; all else is the original's. */
export function cpu(change: (original: Cpu) => Partial<Cpu>): Plugin {
  return replacing(oddArch, CpuFactory, (factory) => ({
    create(id) {
      const original = factory.create(id);
      return overriding(original, change(original));
    },
  }));
}

/** The same for MMUs. */
export function mmu(change: (original: Mmu, cpu: Cpu) => Partial<Mmu>): Plugin {
  return cpu((original) => ({
    mmu: overriding(original.mmu, change(original.mmu, original)),
  }));
}
