import { Errno } from "@kpkeys/core/contracts";
import type {
  AttributeChange,
  KpkeysArch,
  LazyMmu,
  PageTableFormat,
  PageTables,
  PkeyRegister,
  SetMemory,
} from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";
import { pageHigh, pageLow } from "./addresses.js";
import type { Addresses } from "./addresses.js";
import type { TlbFlush } from "./tlb-flush.js";

/** {@link SetMemory} with the engine that boot uses too. */
export interface KernelSetMemory extends SetMemory {
  /**
   * `change_memory_common`: changes the leaves of a range of kernel addresses, in one lazy MMU section.
   * @param page - first virtual page
   * @param pages - length
   * @param change - bits cleared and set
   * @returns 0, or -EINVAL where no page-sized leaf is found
   */
  change(page: number, pages: number, change: AttributeChange): number;
}

/**
 * Makes the changes of kernel mappings.
 * @param tables - the setters
 * @param format - the codec
 * @param register - the number of keys
 * @param kpkeys - whether kernel pkeys are supported; asked at each call
 * @param lazy - lazy MMU mode
 * @param tlb - invalidation
 * @param addresses - the linear map
 * @param image - the kernel image
 */
export function createSetMemory(
  tables: PageTables,
  format: PageTableFormat,
  register: PkeyRegister,
  kpkeys: () => KpkeysArch,
  lazy: LazyMmu,
  tlb: TlbFlush,
  addresses: Addresses,
  image: KernelImage,
): KernelSetMemory {
  const lastLevel = format.geometry.levels.length - 1;
  const counters = { pkeyCalls: 0, pkeyPages: 0 };

  function changePages(page: number, pages: number, { clear, set }: AttributeChange): number {
    let table = -1;
    for (let i = 0; i < pages; i++) {
      const high = pageHigh(page + i);
      const low = pageLow(page + i);
      const index = format.index(lastLevel, high, low);
      if (table < 0 || index === 0) table = tables.tableAt(tables.root, lastLevel, high, low);
      if (table < 0) return Errno.EINVAL;
      tables.read(table, index);
      const { entryHigh, entryLow } = tables;
      if (!format.isPresent(entryHigh, entryLow)) return Errno.EINVAL;
      tables.setPte(table, index, (entryHigh & ~clear.high) | set.high, (entryLow & ~clear.low) | set.low);
    }
    return 0;
  }

  function change(page: number, pages: number, what: AttributeChange): number {
    lazy.enable();
    const status = changePages(page, pages, what);
    lazy.disable();
    return status;
  }

  function setPkey(page: number, pages: number, pkey: number): number {
    const status = change(page, pages, format.pkeyChange(pkey));
    tlb.range(pageHigh(page), pageLow(page), pages);
    counters.pkeyCalls++;
    counters.pkeyPages += pages;
    return status;
  }

  const linearPageOf = (pfn: number): number => addresses.linearPage + pfn - pfnOfFirstLinearPage;
  const pfnOfFirstLinearPage = addresses.pfnOf(pageHigh(addresses.linearPage), pageLow(addresses.linearPage));

  /** `__tag_reset`: an address tag takes the place of the sign bits in 63:56. */
  const untag = (high: number): number => (high << 8) >> 8;

  return {
    counters,
    change,
    setMemoryPkey(high, low, pages, pkey) {
      if (!kpkeys().supportsKpkeys()) return 0;
      const pfn = addresses.pfnOf(untag(high), low);
      if (pkey < 0 || pkey >= register.keys || !Number.isInteger(pkey)) return Errno.EINVAL;
      if (
        pfn < 0 ||
        pages < 1 ||
        addresses.pfnOf(addresses.addressHigh(pfn + pages - 1), addresses.addressLow(pfn + pages - 1)) < 0
      ) {
        return Errno.EINVAL;
      }
      return setPkey(linearPageOf(pfn), pages, pkey);
    },
    setImagePkey(pfn, pages, pkey) {
      if (!kpkeys().supportsKpkeys()) return 0;
      if (pkey < 0 || pkey >= register.keys || !image.contains(pfn) || !image.contains(pfn + pages - 1))
        return Errno.EINVAL;
      return setPkey(addresses.imagePage + pfn - image.pfn, pages, pkey);
    },
    setDirectMapInvalid: (pfn) => change(linearPageOf(pfn), 1, format.attributes.invalid),
    setDirectMapDefault: (pfn) => change(linearPageOf(pfn), 1, format.attributes.valid),
  };
}
