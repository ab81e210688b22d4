import { inject, injectable } from "@kpkeys/core";
import { Kpkeys, PgtableArch, PhysicalMemory, SetMemory, toVpn, Vmalloc } from "@kpkeys/core/contracts";
import type { Pkey, Vpn } from "@kpkeys/core/contracts";
import { ProgPack } from "./pack.js";
import { ProgText } from "./prog-text.js";

/** BPF_PROG_PACK_SIZE, with one NUMA node. */
const PACK_BYTES = 2 * 1024 * 1024;

/** Chunks of a pack that are in use. */
export interface PackPlace {
  /** The pack. */
  readonly pack: ProgPack;
  /** Bytes from the start of the pack. */
  readonly offset: number;
  /** Bytes in use. */
  readonly size: number;
}

/**
 * `bpf_prog_pack_alloc` and `bpf_prog_pack_free`: packs of 2 MiB. A larger image has separate pages.
 *
 * The mapping that the CPU executes is PAGE_KERNEL_ROX, with the key. The linear mapping is PAGE_KERNEL, with the key. No mapping is both
 * writable and executable, with any rights on the key.
 */
@injectable()
export class ProgPacks {
  private readonly range: "vmalloc" | "modules";
  private readonly pageBytes: number;
  private readonly pkey: Pkey;
  private readonly packs: ProgPack[] = [];

  constructor(
    @inject(Kpkeys) private readonly kpkeys: Kpkeys,
    @inject(Vmalloc) private readonly vmalloc: Vmalloc,
    @inject(SetMemory) private readonly setMemory: SetMemory,
    @inject(ProgText) private readonly text: ProgText,
    @inject(PgtableArch) { bpfCode }: PgtableArch,
    @inject(PhysicalMemory) { pageShift }: PhysicalMemory,
  ) {
    this.range = bpfCode?.range ?? "vmalloc";
    this.pageBytes = 2 ** pageShift;
    this.pkey = kpkeys.pkey("BPF");
  }

  /**
   * Takes chunks of the first pack with enough of them, or of a new pack.
   * @param size - bytes, a multiple of 64
   * @returns the place; `undefined` without memory or addresses
   */
  alloc(size: number): PackPlace | undefined {
    for (const pack of this.packs) {
      const offset = pack.take(size);
      if (offset !== undefined) return { pack, offset, size };
    }
    const pack = this.create(Math.ceil(Math.max(size, PACK_BYTES) / this.pageBytes));
    if (pack === undefined) return undefined;
    this.packs.push(pack);
    return { pack, offset: pack.take(size)!, size };
  }

  /** Makes chunks free, and the pages of a pack without chunks in use. @param place - the result of {@link alloc} */
  free({ pack, offset, size }: PackPlace): void {
    pack.release(offset, size);
    if (!pack.isEmpty) return;
    this.packs.splice(this.packs.indexOf(pack), 1);
    this.vmalloc.free(pack.page);
  }

  /** `alloc_new_pack`. @returns a pack full of traps */
  private create(pages: number): ProgPack | undefined {
    const { kpkeys, vmalloc, range } = this;
    const page = vmalloc.alloc(
      pages,
      kpkeys.supported() ? { protection: "PAGE_KERNEL_ROX", pkey: this.pkey, range } : { range },
    );
    if (page === undefined) return undefined;
    const pack = new ProgPack(page, framesOf(vmalloc, page, pages), this.pageBytes);
    if (this.text.fillNew(pack) === 0 && this.makeReadOnly(pack)) return pack;
    this.vmalloc.free(pack.page);
    return undefined;
  }

  /** `set_memory_rox`, unless the key makes the memory read-only. @returns false if a mapping cannot be changed */
  private makeReadOnly({ page, frames }: ProgPack): boolean {
    if (this.kpkeys.supported()) return true;
    const { setMemory } = this;
    return setMemory.setMemoryRo(page, frames.length) === 0 && setMemory.setMemoryX(page, frames.length) === 0;
  }
}

function framesOf(vmalloc: Vmalloc, page: Vpn, pages: number): ProgPack["frames"] {
  return Array.from({ length: pages }, (_, index) => vmalloc.pfnOf(toVpn(page + index))!);
}
