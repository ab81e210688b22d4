import { lazily } from "@kpkeys/core";
import { KernelMemory, LinearMap, PageAllocator, SetMemory, toPfn, toPhysAddr, toPkey } from "@kpkeys/core/contracts";
import type { DependencyContainer, Errno, Pfn, PhysAddr, Pkey } from "@kpkeys/core/contracts";
import { SECRETS } from "./layout.js";

/** A page of slots. This description is outside simulated memory. */
interface SlotPage {
  readonly pfn: Pfn;
  /** Byte offsets of its free slots. */
  readonly free: number[];
}

/**
 * Allocates slots in pages with the key SECRETS. A page is zeroed before it gets the key, and all its slots are zeroed before it loses the
 * key, so that a page has secrets only while it has the key.
 *
 * ```text
 *   buddy ──clear──> set_memory_pkey(SECRETS) ──> slots ──last slot freed──> set_memory_pkey(0) ──> buddy
 * ```
 *
 * The slab allocator cannot serve: it stores the links of its free list in free objects, which it would have to read without the right.
 */
export class SecretSlots {
  private readonly buddy: () => PageAllocator;
  private readonly linearMap: () => LinearMap;
  private readonly memory: () => KernelMemory;
  private readonly setMemory: () => SetMemory;
  private readonly pages = new Map<Pfn, SlotPage>();

  /**
   * @param container - the machine's container
   * @param pkey - the key SECRETS
   */
  constructor(
    container: DependencyContainer,
    private readonly pkey: Pkey,
  ) {
    this.buddy = lazily(container, PageAllocator);
    this.linearMap = lazily(container, LinearMap);
    this.memory = lazily(container, KernelMemory);
    this.setMemory = lazily(container, SetMemory);
  }

  /** Allocates a slot, which is zero. @returns its physical address; `undefined` without memory */
  alloc(): PhysAddr | undefined {
    const page = this.pageWithFreeSlot() ?? this.addPage();
    const offset = page?.free.pop();
    if (page === undefined || offset === undefined) return undefined;
    return toPhysAddr(page.pfn * this.memory().pageBytes + offset);
  }

  /** Frees a slot. @param slot - its physical address; its content is zero */
  free(slot: PhysAddr): void {
    const { pageBytes } = this.memory();
    const page = this.pages.get(toPfn(Math.floor(slot / pageBytes)))!;
    page.free.push(slot % pageBytes);
    if (page.free.length === pageBytes / SECRETS.slot) this.removePage(page);
  }

  private pageWithFreeSlot(): SlotPage | undefined {
    for (const page of this.pages.values()) if (page.free.length > 0) return page;
    return undefined;
  }

  private addPage(): SlotPage | undefined {
    const pfn = this.buddy().alloc(0);
    if (pfn === undefined) return undefined;
    this.clear(pfn);
    if (this.setPkey(pfn, this.pkey) !== 0) {
      this.buddy().free(pfn, 0);
      return undefined;
    }
    const { pageBytes } = this.memory();
    const free = Array.from({ length: pageBytes / SECRETS.slot }, (_, index) => pageBytes - (index + 1) * SECRETS.slot);
    const page = { pfn, free };
    this.pages.set(pfn, page);
    return page;
  }

  private removePage({ pfn }: SlotPage): void {
    this.pages.delete(pfn);
    // The next owner could not access a page that keeps its key. It is leaked, as the slab allocator does.
    if (this.setPkey(pfn, toPkey(0)) === 0) this.buddy().free(pfn, 0);
  }

  /** `clear_page`, with key 0. */
  private clear(pfn: Pfn): void {
    const memory = this.memory();
    const start = pfn * memory.pageBytes;
    for (let at = 0; at < memory.pageBytes; at += 8) memory.store(toPhysAddr(start + at), 0, 0, "clear_page");
  }

  private setPkey(pfn: Pfn, pkey: Pkey): 0 | Errno {
    return this.setMemory().setMemoryPkey(this.linearMap().pageOf(pfn), 1, pkey);
  }
}
