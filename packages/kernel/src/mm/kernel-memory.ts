import { OK, pageOf } from "@kpkeys/core/contracts";
import type { Cpus, KernelMemory, LinearMap } from "@kpkeys/core/contracts";
import type { KernelFaults } from "../kernel-fault.js";

/** What the high word of an address counts, in bytes. */
const HIGH_WORD = 2 ** 32;

/**
 * Makes the kernel's loads and stores of its own data.
 * @param cpus - whose current CPU makes them
 * @param linearMap - where RAM is mapped
 * @param firstPfn - first page-frame number of RAM
 * @param pageBytes - bytes of a page
 * @param faults - what becomes of an access that is denied
 */
export function createKernelMemory(
  cpus: Cpus,
  linearMap: LinearMap,
  firstPfn: number,
  pageBytes: number,
  faults: KernelFaults,
): KernelMemory {
  const start = linearMap.address(firstPfn);
  const pageShift = Math.log2(pageBytes);
  /** What is added to a physical address gives the linear one, but for the high word of the linear map's base. */
  const shift = (start.low >>> 0) - firstPfn * pageBytes;

  const highOf = (address: number): number => (start.high + Math.floor((address + shift) / HIGH_WORD)) | 0;
  const lowOf = (address: number): number => (address + shift) | 0;

  function load(address: number, doing: string): void {
    const { current } = cpus;
    const high = highOf(address);
    const low = lowOf(address);
    for (let attempt = 0; current.load64(high, low) !== OK; attempt++) faults.take(doing, attempt);
    kernelMemory.valueHigh = current.valueHigh;
    kernelMemory.valueLow = current.valueLow;
  }

  function store(address: number, valueHigh: number, valueLow: number, doing: string): void {
    const { current } = cpus;
    const high = highOf(address);
    const low = lowOf(address);
    for (let attempt = 0; current.store64(high, low, valueHigh, valueLow) !== OK; attempt++)
      faults.take(doing, attempt);
  }

  // Plain fields: an object literal with accessors is slow to use.
  const kernelMemory: { -readonly [F in keyof KernelMemory]: KernelMemory[F] } = {
    pageBytes,
    valueHigh: 0,
    valueLow: 0,
    linearAddress: (address) => ({ high: highOf(address), low: lowOf(address) }),
    load,
    store,
    loadPointer(address, doing) {
      load(address, doing);
      const { valueHigh, valueLow } = kernelMemory;
      if ((valueHigh | valueLow) === 0) return 0;
      const pfn = linearMap.pfnOf(pageOf({ high: valueHigh, low: valueLow }, pageShift));
      return pfn < 0 ? -1 : pfn * pageBytes + (valueLow & (pageBytes - 1));
    },
    storePointer(address, target, doing) {
      if (target === 0) store(address, 0, 0, doing);
      else store(address, highOf(target), lowOf(target), doing);
    },
    copy(to, from, bytes, doing) {
      for (let at = 0; at < bytes; at += 8) {
        load(from + at, doing);
        store(to + at, kernelMemory.valueHigh, kernelMemory.valueLow, doing);
      }
    },
  };
  return kernelMemory;
}
