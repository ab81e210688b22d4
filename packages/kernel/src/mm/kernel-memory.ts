import { inject, injectable } from "@kpkeys/core";
import { Cpus, LinearMap, NULL, OK, pageOf, physAddrOf, PhysicalMemory, toPhysAddr } from "@kpkeys/core/contracts";
import type { KernelMemory, Pfn, PhysAddr, Words } from "@kpkeys/core/contracts";
import { KernelFaults } from "../entry/kernel-fault.js";

/** Weight of the high word of an address, in bytes. */
const HIGH_WORD = 2 ** 32;

/** The kernel's loads and stores of its data, at linear-map addresses. */
@injectable()
export class LinearMemory implements KernelMemory {
  readonly pageBytes: number;
  valueHigh = 0;
  valueLow = 0;
  private readonly pageShift: number;
  /** Linear address minus physical address, without the high word of the linear map's base. */
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

  linearAddress(address: PhysAddr): Words {
    return { high: this.highOf(address), low: this.lowOf(address) };
  }

  load(address: PhysAddr, doing: string): void {
    const { current } = this.cpus;
    const high = this.highOf(address);
    const low = this.lowOf(address);
    for (let attempt = 0; current.load64(high, low) !== OK; attempt++) this.faults.repairOrOops(doing, attempt);
    this.valueHigh = current.valueHigh;
    this.valueLow = current.valueLow;
  }

  store(address: PhysAddr, valueHigh: number, valueLow: number, doing: string): void {
    const { current } = this.cpus;
    const high = this.highOf(address);
    const low = this.lowOf(address);
    for (let attempt = 0; current.store64(high, low, valueHigh, valueLow) !== OK; attempt++)
      this.faults.repairOrOops(doing, attempt);
  }

  loadPointer(address: PhysAddr, doing: string): PhysAddr | undefined {
    this.load(address, doing);
    const { valueHigh, valueLow, pageShift } = this;
    if ((valueHigh | valueLow) === 0) return NULL;
    const pfn = this.linearMap.pfnOf(pageOf({ high: valueHigh, low: valueLow }, pageShift));
    return pfn === undefined ? undefined : physAddrOf(pfn, pageShift, valueLow & (this.pageBytes - 1));
  }

  storePointer(address: PhysAddr, target: PhysAddr, doing: string): void {
    if (target === NULL) this.store(address, 0, 0, doing);
    else this.store(address, this.highOf(target), this.lowOf(target), doing);
  }

  copy(to: PhysAddr, from: PhysAddr, bytes: number, doing: string): void {
    for (let at = 0; at < bytes; at += 8) {
      this.load(toPhysAddr(from + at), doing);
      this.store(toPhysAddr(to + at), this.valueHigh, this.valueLow, doing);
    }
  }

  /** `clear_page`, of any frame. @param pfn - page-frame number */
  clearPage(pfn: Pfn): void {
    const { current } = this.cpus;
    const { high, low } = this.linearMap.address(pfn);
    const words = this.pageBytes / 8;
    for (let attempt = 0; current.storeRun(high, low, 0, 0, 0, words) !== OK; attempt++)
      this.faults.repairOrOops("clear_page", attempt);
  }

  private highOf(address: PhysAddr): number {
    return (this.startHigh + Math.floor((address + this.shift) / HIGH_WORD)) | 0;
  }

  private lowOf(address: PhysAddr): number {
    return (address + this.shift) | 0;
  }
}
