import { inject, injectable, swapWords } from "@kpkeys/core";
import { Cpus, LinearMap, OK, PgtableArch, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Pfn, Words } from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import type { Addresses } from "./addresses.js";
import { entryAfter } from "./entries.js";
import { TableMemory } from "./table-memory.js";

/**
 * Loads and stores page-table entries whose byte order differs from that of the kernel's loads and stores, as on little-endian POWER:
 * `pte_raw()` and `cpu_to_be64()`. The addresses and the accesses are those of {@link TableMemory}.
 */
@injectable()
export class SwappedTableMemory extends TableMemory {
  private readonly shift: number;

  constructor(
    @inject(Cpus) cpus: Cpus,
    @inject(PhysicalMemory) memory: PhysicalMemory,
    @inject(PgtableArch) arch: PgtableArch,
    @inject(KernelImage) image: KernelImage,
    @inject(LinearMap) addresses: Addresses,
  ) {
    super(cpus, memory, arch, image, addresses);
    this.shift = memory.pageShift;
  }

  override store(table: Pfn, index: number, entry: Words, step: number, count: number): number {
    // The step of a run of stores is added to the number that is stored, not to the entry.
    if (count === 1 || step === 0) return super.store(table, index, swapWords(entry), 0, count);
    for (let i = 0; i < count; i++) {
      const next = entryAfter(entry, i * step, this.shift);
      const status = super.store(table, index + i, swapWords(next), 0, 1);
      if (status !== OK) return status;
    }
    return OK;
  }

  override exchange(table: Pfn, index: number, entry: Words): Words | undefined {
    const old = super.exchange(table, index, swapWords(entry));
    return old === undefined ? undefined : swapWords(old);
  }

  override load(table: Pfn, index: number): Words | undefined {
    const word = super.load(table, index);
    return word === undefined ? undefined : swapWords(word);
  }
}
