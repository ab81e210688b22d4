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

/** Pages of the example architecture are of 16 KiB. */
export const PAGE_SHIFT = 14;
/** Entries of a table of any level, and so the pages that a table of the last level maps. */
export const ENTRIES = 2048;
/** Pages that a table of the middle level maps. */
export const UPPER = ENTRIES * ENTRIES;

/** RAM of a machine: the image takes 32 MiB of it, with pages of 16 KiB. */
const SMALL = [{ bytes: 96 * 1024 * 1024 }];

/** What a machine has besides its specification. */
export interface Extras {
  /** The architecture; the example one if left out. */
  readonly arch?: Plugin;
  /** What a feature attaches itself to, if there is to be one. */
  readonly attach?: (points: ExtensionPoints, container: DependencyContainer) => void;
  /** What receives the machine's moments, boot included. */
  readonly observer?: Observer;
}

/** A small machine of the example architecture, booted: in about a millisecond. */
export function boot(spec: Partial<MachineSpec> = {}, { arch = oddArch, attach, observer }: Extras = {}): Machine {
  const feature: Plugin = {
    id: "test",
    kind: "feature",
    description: "what a test attaches",
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

/** A service of a machine as the kernel's class, which has more than its contract. */
export function kernelService<T>(
  machine: Pick<Machine, "get">,
  token: Token<unknown>,
  kind: new (...dependencies: never[]) => T,
): T {
  const service = machine.get(token);
  if (service instanceof kind) return service;
  throw new TypeError(`${String(token.description)} is no ${kind.name}`);
}

/** An extension point with what its handlers were called with. */
export type Call = readonly [point: ExtensionPoint, ...args: readonly unknown[]];

/** Attaches a handler to each point that notes its calls, and returns `answer` where the point wants a number. */
export function record(points: ExtensionPoints, names: readonly ExtensionPoint[], calls: Call[], answer = 0): void {
  for (const name of names) {
    const handler = (...args: readonly unknown[]): number => {
      calls.push([name, ...args]);
      return answer;
    };
    points.on(name, handler);
  }
}

/** A leaf, or another entry at which a walk ends. */
export interface FoundEntry {
  /** The level, 0 being the top. */
  readonly level: number;
  /** The table that it is in. */
  readonly table: number;
  /** Its index there. */
  readonly index: number;
  /** Bits 63 to 32. */
  readonly high: number;
  /** Bits 31 to 0. */
  readonly low: number;
  /** What it is. */
  readonly type: "table" | "leaf" | "invalid";
}

/**
 * Finds the entry at which the walk of a page ends, read from physical memory: neither the MMU nor the kernel's own walk takes part.
 * @param root - top-level table; the kernel's if left out
 */
export function entryOf(machine: Machine, page: number, root = machine.get(PageTables).root): FoundEntry {
  const format = machine.get(PageTableFormat);
  for (let level = 0, table = root; ; level++) {
    const address = wordsOf(toVpn(page), PAGE_SHIFT);
    const at = format.index(toLevel(level), address.high, address.low);
    const { high, low } = machine.memory.read(table, at);
    const type = (["invalid", "table", "leaf"] as const)[format.typeOf(toLevel(level), high, low)];
    if (type !== "table") return { level, table, index: at, high, low, type };
    table = format.pfnOf(high, low);
  }
}

/** The frame that a page is mapped to; -1 where the walk ends without a leaf. */
export function frameOf(machine: Machine, page: number, root?: Pfn): number {
  const format = machine.get(PageTableFormat);
  const { level, high, low, type } = entryOf(machine, page, root);
  if (type !== "leaf") return -1;
  const { shift } = format.geometry.levels[level]!;
  return format.pfnOf(high, low) + (page % 2 ** (shift - PAGE_SHIFT));
}

/** How many translations of all TLBs differ from the tables: an invalidation was forgotten. */
export function staleTranslations({ cpus }: Machine): number {
  return cpus.all.reduce((sum, cpu) => sum + cpu.mmu.auditTlb(() => undefined), 0);
}
