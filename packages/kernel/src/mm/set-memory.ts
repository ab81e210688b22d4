import { Errno, toVpn } from "@kpkeys/core/contracts";
import type {
  AttributeChange,
  KpkeysArch,
  LazyMmu,
  PageRange,
  PageTableFormat,
  PageTables,
  Pfn,
  PkeyRegister,
  SetMemory,
  Vpn,
} from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";
import type { Addresses } from "./addresses.js";
import type { LeafWalk } from "./leaf-walk.js";
import type { LinearSplit } from "./split.js";
import type { TlbFlush } from "./tlb-flush.js";
import type { KernelVmalloc } from "./vmalloc.js";

/** {@link SetMemory} with the engine that boot uses too. */
export interface KernelSetMemory extends SetMemory {
  /**
   * `update_range_prot`: changes the leaves of a range of kernel addresses, in one lazy MMU section. Blocks of the linear map that
   * the range covers in part are split before. Invalidates nothing.
   * @param page - first virtual page
   * @param pages - length, at least 1
   * @param change - bits cleared and set
   * @returns 0; -EINVAL where nothing is mapped, or a block of another mapping is covered in part; the splitter's errors
   */
  change(page: Vpn, pages: number, change: AttributeChange): number;
}

/** What the changes of kernel mappings are made with. */
export interface SetMemoryParts {
  /** The setters. */
  readonly tables: PageTables;
  /** The codec. */
  readonly format: PageTableFormat;
  /** Finds leaves. */
  readonly walk: LeafWalk;
  /** Splits blocks of the linear map. */
  readonly split: LinearSplit;
  /** Knows the number of keys. */
  readonly register: PkeyRegister;
  /** Whether kernel pkeys are supported; asked at each call. */
  readonly kpkeys: () => KpkeysArch;
  /** Lazy MMU mode. */
  readonly lazy: LazyMmu;
  /** Invalidation. */
  readonly tlb: TlbFlush;
  /** The linear map. */
  readonly addresses: Addresses;
  /** The kernel image. */
  readonly image: KernelImage;
  /** Knows the vmalloc areas. */
  readonly vmalloc: KernelVmalloc;
  /** Whether a read-only vmalloc page is read-only in the linear map too: `rodata_full`. */
  readonly rodataFull: boolean;
  /** Whether a feature protects page tables, and so needs the linear map to be changed. */
  readonly protectsTables: boolean;
}

/** One change after another. */
function joined(first: AttributeChange, second: AttributeChange): AttributeChange {
  return {
    clear: { high: first.clear.high | second.clear.high, low: first.clear.low | second.clear.low },
    set: { high: first.set.high | second.set.high, low: first.set.low | second.set.low },
  };
}

/**
 * Makes the changes of kernel mappings, by the rules of arm64's `mm/pageattr.c` on every architecture.
 * @param parts - what they are made with
 */
export function createSetMemory(parts: SetMemoryParts): KernelSetMemory {
  const { tables, format, walk, split, register, kpkeys, lazy, tlb, addresses, image, vmalloc } = parts;
  const { ro, rw, nx, x, valid, invalid } = format.attributes;
  const counters = { pkeyCalls: 0, pkeyPages: 0, directMapCalls: 0 };
  const { pageShift, addressBits } = format.geometry;
  const isLinear = (page: Vpn): boolean => addresses.pfnOf(page) >= 0;

  /** Whether leaves map all of a range; blocks of other mappings than the linear map wholly, since they cannot be split. */
  function isChangeable(range: PageRange): boolean {
    return walk.each(range, ({ isWhole, page }) => isWhole || isLinear(page));
  }

  /** Changes the leaves of a range that begins and ends where leaves do. @returns whether there are such leaves */
  function changeLeaves(range: PageRange, { clear, set }: AttributeChange): boolean {
    return walk.each(range, ({ isWhole, level, table, index, value }) => {
      if (!isWhole) return false;
      const high = (value.high & ~clear.high) | set.high;
      const low = (value.low & ~clear.low) | set.low;
      tables.setEntry(level, table, index, { high, low });
      return true;
    });
  }

  function change(page: Vpn, pages: number, what: AttributeChange): number {
    const range = { from: page, to: toVpn(page + pages) };
    // Most changes are of one page, which is looked at where it is changed.
    if (pages > 1 && !isChangeable(range)) return Errno.EINVAL;
    const errno = isLinear(page) ? split.atEnds(page, pages) : 0;
    if (errno < 0) return errno;
    lazy.enable();
    const isChanged = changeLeaves(range, what);
    lazy.disable();
    return isChanged ? 0 : Errno.EINVAL;
  }

  /** `__change_memory_common`: a change with its invalidation, which pages that only become valid do not need. */
  function changeAndFlush(page: Vpn, pages: number, what: AttributeChange): number {
    const errno = change(page, pages, what);
    if (errno === 0 && what !== valid) tlb.range(page, pages);
    return errno;
  }

  /** `change_memory_common`: takes nothing but a vmalloc area; whether a page is read-only its linear mapping follows. */
  function changeArea(page: Vpn, pages: number, what: AttributeChange): number {
    const frames = vmalloc.framesAt(page, pages);
    if (frames === undefined) return Errno.EINVAL;
    if (pages === 0) return 0;
    if (parts.rodataFull && (what === ro || what === rw)) {
      for (const pfn of frames) {
        const errno = changeAndFlush(addresses.pageOf(pfn), 1, what);
        if (errno < 0) return errno;
      }
    }
    return changeAndFlush(page, pages, what);
  }

  function setPkey(page: Vpn, pages: number, pkey: number): number {
    const errno = changeAndFlush(page, pages, format.pkeyChange(pkey));
    if (errno < 0) return errno;
    counters.pkeyCalls++;
    counters.pkeyPages += pages;
    return 0;
  }

  const isPkey = (pkey: number): boolean => Number.isInteger(pkey) && pkey >= 0 && pkey < register.keys;

  const canSetDirectMap = (): boolean => parts.rodataFull || (parts.protectsTables && kpkeys().supportsKpkeysEarly());

  /** A change of the linear map, where it can be changed. */
  function changeDirectMap(pfn: Pfn, pages: number, act: (page: Vpn) => number): number {
    if (!canSetDirectMap()) return 0;
    if (!addresses.isRam(pfn, pages)) return Errno.EINVAL;
    if (pages === 0) return 0;
    const errno = act(addresses.pageOf(pfn));
    if (errno === 0) counters.directMapCalls++;
    return errno;
  }

  const madeDefault = joined(valid, rw);

  /** `__tag_reset`: an address tag takes the place of the sign bits in 63:56. Addresses of 57 bits have no room for one. */
  function untag(page: Vpn): Vpn {
    if (addressBits > 56) return page;
    const tags = 2 ** (56 - pageShift);
    const below = page % tags;
    return toVpn(below < tags / 2 ? below : below + 2 ** (64 - pageShift) - tags);
  }

  return {
    counters,
    change,
    setMemoryPkey(page, pages, pkey) {
      if (!kpkeys().supportsKpkeys()) return 0;
      const pfn = addresses.pfnOf(untag(page));
      if (!isPkey(pkey) || pfn < 0 || pages < 1 || !addresses.isRam(pfn, pages)) return Errno.EINVAL;
      return setPkey(addresses.pageOf(pfn), pages, pkey);
    },
    setImagePkey(pfn, pages, pkey) {
      if (!kpkeys().supportsKpkeys()) return 0;
      if (!isPkey(pkey) || pages < 1 || !image.contains(pfn) || !image.contains(pfn + pages - 1)) return Errno.EINVAL;
      return setPkey(addresses.imagePage + pfn - image.pfn, pages, pkey);
    },
    setMemoryRo: (page, pages) => changeArea(page, pages, ro),
    setMemoryRw: (page, pages) => changeArea(page, pages, rw),
    setMemoryNx: (page, pages) => changeArea(page, pages, nx),
    setMemoryX: (page, pages) => changeArea(page, pages, x),
    setMemoryValid: (page, pages, enable) => (pages === 0 ? 0 : changeAndFlush(page, pages, enable ? valid : invalid)),
    canSetDirectMap,
    setDirectMapInvalid: (pfn) => changeDirectMap(pfn, 1, (page) => change(page, 1, invalid)),
    setDirectMapDefault: (pfn) => changeDirectMap(pfn, 1, (page) => change(page, 1, madeDefault)),
    setDirectMapValid: (pfn, pages, enable) =>
      changeDirectMap(pfn, pages, (page) => changeAndFlush(page, pages, enable ? valid : invalid)),
  };
}
