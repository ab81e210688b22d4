import { inject, injectable } from "@kpkeys/core";
import { Cpus, LinearMap, OK, pageOf, PhysicalMemory } from "@kpkeys/core/contracts";
import type { KernelMemory, Words } from "@kpkeys/core/contracts";
import { KernelFaults } from "../entry/kernel-fault.js";

/** What the high word of an address counts, in bytes. */
const HIGH_WORD = 2 ** 32;

/** The kernel's loads and stores of its own data, at addresses of the linear map. */
@injectable()
export class LinearMemory implements KernelMemory {
  readonly pageBytes: number;
  valueHigh = 0;
  valueLow = 0;
  private readonly pageShift: number;
  /** The sum of a physical address and this is the linear one, except for the high word of the linear map's base. */
  private readonly shift: number;
  private readonly startHigh: number;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(LinearMap) private readonly linearMap: LinearMap,
    @inject(PhysicalMemory) { firstPfn, pageShift }: PhysicalMemory,
    @inject(KernelFaults) private readonly faults: KernelFaults,
  ) {
    const start = linearMap.address(firstPfn);
    this.pageShift = pageShift;
    this.pageBytes = 2 ** pageShift;
    this.startHigh = start.high;
    this.shift = (start.low >>> 0) - firstPfn * this.pageBytes;
  }

  linearAddress(address: number): Words {
    return { high: this.highOf(address), low: this.lowOf(address) };
  }

  load(address: number, doing: string): void {
    const { current } = this.cpus;
    const high = this.highOf(address);
    const low = this.lowOf(address);
    for (let attempt = 0; current.load64(high, low) !== OK; attempt++) this.faults.take(doing, attempt);
    this.valueHigh = current.valueHigh;
    this.valueLow = current.valueLow;
  }

  store(address: number, valueHigh: number, valueLow: number, doing: string): void {
    const { current } = this.cpus;
    const high = this.highOf(address);
    const low = this.lowOf(address);
    for (let attempt = 0; current.store64(high, low, valueHigh, valueLow) !== OK; attempt++)
      this.faults.take(doing, attempt);
  }

  loadPointer(address: number, doing: string): number {
    this.load(address, doing);
    const { valueHigh, valueLow, pageBytes } = this;
    if ((valueHigh | valueLow) === 0) return 0;
    const pfn = this.linearMap.pfnOf(pageOf({ high: valueHigh, low: valueLow }, this.pageShift));
    return pfn < 0 ? -1 : pfn * pageBytes + (valueLow & (pageBytes - 1));
  }

  storePointer(address: number, target: number, doing: string): void {
    if (target === 0) this.store(address, 0, 0, doing);
    else this.store(address, this.highOf(target), this.lowOf(target), doing);
  }

  copy(to: number, from: number, bytes: number, doing: string): void {
    for (let at = 0; at < bytes; at += 8) {
      this.load(from + at, doing);
      this.store(to + at, this.valueHigh, this.valueLow, doing);
    }
  }

  private highOf(address: number): number {
    return (this.startHigh + Math.floor((address + this.shift) / HIGH_WORD)) | 0;
  }

  private lowOf(address: number): number {
    return (address + this.shift) | 0;
  }
}
