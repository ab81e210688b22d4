import type {
  Cpus,
  Exceptions,
  ExtensionPoints,
  KernelMemory,
  Kpkeys,
  PageAllocator,
  SetMemory,
  SlabAllocator,
} from "@kpkeys/core/contracts";
import type { KernelFaults } from "./kernel-fault.js";
import { pageHigh, pageLow } from "./mm/addresses.js";
import type { Addresses } from "./mm/addresses.js";
import { createKernelMemory } from "./mm/kernel-memory.js";
import { createRcu } from "./rcu.js";
import type { KernelRcu } from "./rcu.js";
import { createSlabAllocator } from "./slab/slab-allocator.js";
import { createSlabPages } from "./slab/slab-pages.js";

/** What the services over objects are made with. */
export interface ObjectParts {
  /** The CPUs. */
  readonly cpus: Cpus;
  /** Where RAM is mapped. */
  readonly addresses: Addresses;
  /** First page-frame number of RAM. */
  readonly firstPfn: number;
  /** log2 of the page size in bytes. */
  readonly pageShift: number;
  /** What becomes of an access that is denied. */
  readonly faults: KernelFaults;
  /** Pages of slabs. */
  readonly buddy: PageAllocator;
  /** Gives them keys. */
  readonly setMemory: SetMemory;
  /** Softirq. */
  readonly exceptions: Exceptions;
  /** The features. */
  readonly extensions: ExtensionPoints;
  /** The keys. */
  readonly kpkeys: Kpkeys;
  /** Whether a CPU runs its idle task. */
  readonly isIdle: (cpu: number) => boolean;
}

/** The services over objects that are smaller than a page. */
export interface ObjectServices {
  /** Their words. */
  readonly memory: KernelMemory;
  /** Their pages. */
  readonly slab: SlabAllocator;
  /** Their late end. */
  readonly rcu: KernelRcu;
}

/** Makes the services. @param parts - what they are made with */
export function createObjectServices(parts: ObjectParts): ObjectServices {
  const { cpus, addresses, firstPfn, pageShift, faults, buddy, setMemory, exceptions, extensions, kpkeys } = parts;
  const pageBytes = 2 ** pageShift;
  const memory = createKernelMemory(cpus, addresses, firstPfn, pageBytes, faults);
  const pages = createSlabPages(buddy, addresses, setMemory, pageBytes, extensions);
  const text = { high: pageHigh(addresses.imagePage, pageShift), low: pageLow(addresses.imagePage, pageShift) };
  return {
    memory,
    slab: createSlabAllocator({ memory, pages }, kpkeys, extensions),
    rcu: createRcu({ cpus, memory, exceptions, extensions, text, isIdle: parts.isIdle }),
  };
}
