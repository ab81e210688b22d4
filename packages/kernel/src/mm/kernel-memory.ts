import { OK } from "@kpkeys/core/contracts";
import type { Cpus, KernelMemory, LinearMap } from "@kpkeys/core/contracts";
import type { KernelFaults } from "../kernel-fault.js";

/**
 * Makes the kernel's loads and stores of its own data.
 * @param cpus - whose current CPU makes them
 * @param linearMap - where RAM is mapped
 * @param firstPfn - first page-frame number of RAM
 * @param faults - what becomes of an access that is denied
 */
export function createKernelMemory(
  cpus: Cpus,
  linearMap: LinearMap,
  firstPfn: number,
  faults: KernelFaults,
): KernelMemory {
  const linearHigh = linearMap.addressHigh(firstPfn);

  /** The page's number in the linear map: its address is `linear << 32 | page << 12`, carried into the high word. */
  function pageOf(address: number): number {
    return Math.floor(address / 4096) - firstPfn;
  }

  function loadAt(page: number, offset: number, doing: string): void {
    const { current } = cpus;
    const high = (linearHigh + (page >>> 20)) | 0;
    for (let attempt = 0; current.load64(high, (page << 12) | offset) !== OK; attempt++) faults.take(doing, attempt);
    kernelMemory.valueHigh = current.valueHigh;
    kernelMemory.valueLow = current.valueLow;
  }

  function storeAt(page: number, offset: number, high: number, low: number, doing: string): void {
    const { current } = cpus;
    const addressHigh = (linearHigh + (page >>> 20)) | 0;
    const addressLow = (page << 12) | offset;
    for (let attempt = 0; current.store64(addressHigh, addressLow, high, low) !== OK; attempt++) {
      faults.take(doing, attempt);
    }
  }

  // Plain fields: an object literal with accessors is slow to use.
  const kernelMemory: { -readonly [F in keyof KernelMemory]: KernelMemory[F] } = {
    valueHigh: 0,
    valueLow: 0,
    load(address, doing) {
      loadAt(pageOf(address), address & 4095, doing);
    },
    store(address, high, low, doing) {
      storeAt(pageOf(address), address & 4095, high, low, doing);
    },
    loadPointer(address, doing) {
      loadAt(pageOf(address), address & 4095, doing);
      const { valueHigh, valueLow } = kernelMemory;
      if ((valueHigh | valueLow) === 0) return 0;
      const pfn = linearMap.pfnOf(valueHigh, valueLow);
      return pfn < 0 ? -1 : pfn * 4096 + (valueLow & 4095);
    },
    storePointer(address, target, doing) {
      const pfn = Math.floor(target / 4096);
      const high = target === 0 ? 0 : linearMap.addressHigh(pfn);
      const low = target === 0 ? 0 : linearMap.addressLow(pfn) | (target & 4095);
      storeAt(pageOf(address), address & 4095, high, low, doing);
    },
    copy(to, from, bytes, doing) {
      for (let at = 0; at < bytes; at += 8) {
        loadAt(pageOf(from + at), (from + at) & 4095, doing);
        storeAt(pageOf(to + at), (to + at) & 4095, kernelMemory.valueHigh, kernelMemory.valueLow, doing);
      }
    },
  };
  return kernelMemory;
}
