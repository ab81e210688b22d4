import { KpkeysError } from "@kpkeys/core";
import { toAsid } from "@kpkeys/core/contracts";
import type { Asid, Mm, Pfn, Vpn } from "@kpkeys/core/contracts";
import { VmaList } from "./vma-list.js";

/** An address space with its mappings: `mm_struct`. */
export class KernelMm implements Mm {
  tablePages = 0;
  users = 1;
  /** `mm->context.id`: an ASID with its generation; 0 until a CPU first switches here. */
  contextId = 0;
  /** The ASID alone, which its TLB entries carry. */
  asid: Asid = toAsid(0);
  /** The mappings. */
  readonly vmas: VmaList = new VmaList();
  /** One past the heap's last page; `undefined` before the first brk. */
  heapEnd: Vpn | undefined;
  /** Whether new mappings are locked: VM_LOCKED in `def_flags`. */
  locksFuture = false;

  /**
   * @param id - its number
   * @param root - page-frame number of its top-level table
   */
  constructor(
    readonly id: number,
    readonly root: Pfn,
  ) {}

  /**
   * The kernel's own object of a contract's handle.
   * @param mm - what {@link AddressSpaces} gave
   * @throws KpkeysError ERR_API_MISUSE for an object of another maker
   */
  static of(mm: Mm): KernelMm {
    if (mm instanceof KernelMm) return mm;
    throw new KpkeysError("ERR_API_MISUSE", "an address space that this kernel did not make", { where: `mm ${mm.id}` });
  }
}
