import { createPluginRegistry } from "@kpkeys/core";
import {
  ExtensionPoints,
  Observers,
  PageTableFormat,
  PageTables,
  toLevel,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoint, Observer, Pfn, Plugin, Token } from "@kpkeys/core/contracts";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { buildMachine } from "../../src/machine/build.js";
import type { Machine } from "../../src/machine/machine.js";
import { DEFAULT_SPEC } from "../../src/machine/spec.js";
import type { MachineSpec } from "../../src/machine/spec.js";

/** The page size of the example architecture is 16 KiB. */
export const PAGE_SHIFT = 14;
/** Entries of a table; the number of pages that a last-level table maps. */
export const ENTRIES = 2048;
/** Number of pages that a middle-level table maps. */
export const UPPER = ENTRIES * ENTRIES;

/** RAM of the small machine. The image ends 40 MiB after its start. */
const SMALL = [{ bytes: 96 * 1024 * 1024 }];

/** Parts of a machine that the specification does not contain. */
export interface Extras {
  /** The architecture. Default: the example architecture. */
  readonly arch?: Plugin;
  /** The setup of a test feature. Without it the machine has no feature. */
  readonly attach?: (points: ExtensionPoints, container: DependencyContainer) => void;
  /** An observer, attached before boot. */
  readonly observer?: Observer;
}

/** Boots a small machine of the example architecture, in about a millisecond. */
export function boot(spec: Partial<MachineSpec> = {}, { arch = oddArch, attach, observer }: Extras = {}): Machine {
  const feature: Plugin = {
    id: "test",
    kind: "feature",
    description: "the feature of a test",
    contract: 2,
    setup(container) {
      attach?.(container.resolve(ExtensionPoints), container);
      if (observer !== undefined) container.resolve<Observers>(Observers).attach(observer);
    },
  };
  const features = attach === undefined && observer === undefined ? [] : [feature.id];
  const whole = { ...DEFAULT_SPEC, arch: arch.id, features, memory: SMALL, ...spec };
  return buildMachine(whole, createPluginRegistry([arch, feature]));
}

/** A service of a machine as an object of the kernel's class. */
export function kernelService<T>(
  machine: Pick<Machine, "get">,
  token: Token<unknown>,
  kind: new (...dependencies: never[]) => T,
): T {
  const service = machine.get(token);
  if (service instanceof kind) return service;
  throw new TypeError(`${String(token.description)} is not a ${kind.name}`);
}

/** A service that only the kernel uses. It is injected by class. */
export function internalService<T>(machine: Pick<Machine, "get">, kind: new (...dependencies: never[]) => T): T {
  return machine.get(kind as unknown as Token<T>);
}

/** An extension point and the arguments of a call of its handlers. */
export type Call = readonly [point: ExtensionPoint, ...args: readonly unknown[]];

/** Makes an `attach` function with a handler for each point that records its calls and returns `result`. */
export function record(names: readonly ExtensionPoint[], calls: Call[], result = 0): (points: ExtensionPoints) => void {
  return (points) => {
    for (const name of names) points.on(name, (...args: readonly unknown[]) => (calls.push([name, ...args]), result));
  };
}

/** The entry at which a walk ends. */
export interface FoundEntry {
  /** The level; 0 is the top. */
  readonly level: number;
  /** Page-frame number of its table. */
  readonly table: number;
  /** Index in the table. */
  readonly index: number;
  /** Bits 63 to 32. */
  readonly high: number;
  /** Bits 31 to 0. */
  readonly low: number;
  /** Type of the entry. */
  readonly type: "table" | "leaf" | "invalid";
}

/**
 * Finds the entry at which the walk of a page ends. Reads physical memory, without the MMU and the kernel's walk.
 * @param root - top-level table; default: the kernel's
 */
export function entryOf(machine: Machine, page: number, root = machine.get(PageTables).root): FoundEntry {
  const format = machine.get(PageTableFormat);
  for (let level = 0, table = root; ; level++) {
    const address = wordsOf(toVpn(page), PAGE_SHIFT);
    const at = format.index(toLevel(level), address.high, address.low);
    const { high, low } = machine.memory.readEntry(table, at);
    const type = (["invalid", "table", "leaf"] as const)[format.typeOf(toLevel(level), high, low)];
    if (type !== "table") return { level, table, index: at, high, low, type };
    table = format.pfnOf(high, low);
  }
}

/** The frame of a page; -1 if the walk finds no leaf. */
export function frameOf(machine: Machine, page: number, root?: Pfn): number {
  const format = machine.get(PageTableFormat);
  const { level, high, low, type } = entryOf(machine, page, root);
  if (type !== "leaf") return -1;
  const { shift } = format.geometry.levels[level]!;
  return format.pfnOf(high, low) + (page % 2 ** (shift - PAGE_SHIFT));
}

/** Number of TLB entries that differ from the tables because of a missing invalidation. */
export function staleTranslations({ cpus }: Machine): number {
  return cpus.all.reduce((sum, cpu) => sum + cpu.mmu.auditTlb(() => undefined), 0);
}
