import { KpkeysError } from "@kpkeys/core";
import { toAsid } from "@kpkeys/core/contracts";
import type { Asid, Mm, Pfn, Vpn } from "@kpkeys/core/contracts";
import type { EntryPlace } from "@kpkeys/core/machine";
import { VmaList } from "./vma-list.js";

/** An address space with its mappings: `mm_struct`. */
export class KernelMm implements Mm {
  readonly root: Pfn;
  readonly rootIndex: number;
  tablePages = 0;
  users = 1;
  /** `mm->context.id`: generation + ASID; 0 before the first switch to this address space. */
  contextId = 0;
  /** The ASID, which tags its TLB entries. */
  asid: Asid = toAsid(0);
  /** The mappings. */
  readonly vmas: VmaList = new VmaList();
  /** One past the last page of the heap; `undefined` before the first brk. */
  heapEnd: Vpn | undefined;
  /** {@link VmFlag} bits of new mappings: VM_LOCKED and VM_LOCKONFAULT in `def_flags`. */
  defaultFlags = 0;

  /**
   * @param id - its number
   * @param root - the first entry of its top-level table
   */
  constructor(
    readonly id: number,
    { table, index }: EntryPlace,
  ) {
    this.root = table;
    this.rootIndex = index;
  }

  /**
   * The kernel's object of a handle.
   * @param mm - an address space that {@link AddressSpaces} returned
   * @throws KpkeysError ERR_API_MISUSE for any other object
   */
  static of(mm: Mm): KernelMm {
    if (mm instanceof KernelMm) return mm;
    throw new KpkeysError("ERR_API_MISUSE", "the object is not an address space of this kernel", {
      where: `mm ${mm.id}`,
      expected: "an address space that AddressSpaces.create or fork returned",
    });
  }
}
