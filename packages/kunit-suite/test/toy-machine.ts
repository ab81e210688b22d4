import { createContainer, ProtectedObjectList, provide, resolve } from "@kpkeys/core";
import {
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  PhysicalMemory,
  ProtectedObjects,
  SetMemory,
  toPfn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { KpkeysState, LevelGeometry, Pfn, ProtectedObject, Token, Words } from "@kpkeys/core/contracts";
import type { PageAlias } from "@kpkeys/kernel";
import type { MachineUnderAttack } from "../src/index.js";

/** A store. */
export interface Store {
  readonly high: number;
  readonly low: number;
  readonly value: readonly [high: number, low: number];
}

/** The parts of a machine that probe stores and suites use, with an invented geometry. */
export interface ToyMachine extends MachineUnderAttack {
  /** All stores, in order. */
  readonly stores: readonly Store[];
  /** The addresses of all loads, in order. */
  readonly loads: readonly Words[];
  /** The current context. */
  readonly context: string | undefined;
}

/** Upper word of addresses in the linear map. */
export const LINEAR_HIGH = 0xffff_8000 | 0;

/**
 * Makes a toy of named table levels, in which the table of level n is page 10 + n and every word is (page, index).
 * @param levelNames - Linux's names, the top one first
 * @param blocks - decides which addresses cannot be accessed
 * @param objects - protected objects
 * @param aliasesOf - the mappings of an object's page; a writable one in the linear map with its key if left out
 */
export function createToyMachine(
  levelNames: readonly LevelGeometry["name"][],
  blocks: (high: number, low: number, isLoad: boolean) => boolean,
  objects: readonly ProtectedObject[] = [],
  aliasesOf?: (pfn: Pfn) => readonly PageAlias[],
): ToyMachine {
  const container = createContainer();
  const stores: Store[] = [];
  const loads: Words[] = [];
  let context: string | undefined;
  const levels = levelNames.map((name) => ({ name, shift: 12, indexBits: 9, leaf: true }));
  const part = <T>(token: Token<T>, some: Partial<NoInfer<T>>): void => {
    provide(container, token, some as T);
  };

  part(ProtectedObjects, new ProtectedObjectList());
  part(LinearMap, {
    address: (pfn, offset = 0) => ({ high: LINEAR_HIGH, low: (pfn << 12) | offset }),
    pageOf: (pfn) => pageOf({ high: LINEAR_HIGH, low: pfn << 12 }, 12),
    pfnOf(page) {
      const { high, low } = wordsOf(page, 12);
      return high === LINEAR_HIGH ? toPfn(low >>> 12) : undefined;
    },
  });
  part(PhysicalMemory, {
    pageShift: 12,
    byteOrder: "little",
    read: (pfn, index) => ({ high: pfn, low: index }),
  });
  part(Kpkeys, {
    supported: () => true,
    enterContext(name: string) {
      context = name;
      return 1 as KpkeysState;
    },
    leaveContext() {
      context = undefined;
    },
  });
  part(Exceptions, {
    copyToKernelNofault({ high, low }, source) {
      const [valueLow, valueHigh] = new Int32Array(source.buffer);
      stores.push({ high, low, value: [valueHigh!, valueLow!] });
      return blocks(high, low, false) ? Errno.EFAULT : 0;
    },
    copyFromKernelNofault({ high, low }, length) {
      loads.push({ high, low });
      return blocks(high, low, true) ? Errno.EFAULT : new Uint8Array(length);
    },
  });
  part(PageTableFormat, {
    geometry: { pageShift: 12, levels, addressBits: 48, splitRoots: false },
    protections: { PAGE_KERNEL: { high: 1, low: 2 } } as PageTableFormat["protections"],
    makeWritable: ({ high, low }) => ({ high: high | 16, low }),
  });
  part(PageTables, {
    root: toPfn(10),
    entryAt: (root, level, page) => ({
      level,
      table: toPfn(root + level),
      index: 100 + level,
      page,
      pages: 1,
      read: () => ({ high: 7, low: 8 }),
      set: () => undefined,
      clear: () => undefined,
    }),
  });
  part(PageAllocator, { alloc: () => toPfn(5), free: () => undefined });
  part(SetMemory, {
    setDirectMapInvalid: () => 0,
    setDirectMapDefault: () => 0,
  });

  return {
    get: (token) => resolve(container, token),
    scanObjects: () =>
      objects.map((object) => ({
        ...object,
        aliases: aliasesOf?.(object.pfn) ?? [
          {
            page: pageOf({ high: LINEAR_HIGH, low: object.pfn << 12 }, 12),
            pkey: object.pkey,
            writable: true,
            user: false,
          },
        ],
      })),
    stores,
    loads,
    get context() {
      return context;
    },
  };
}
