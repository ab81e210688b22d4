import { inject, injectable } from "@kpkeys/core";
import {
  Cpus,
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  OK,
  PgtableArch,
  PhysicalMemory,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { Guard, Pfn, Words } from "@kpkeys/core/contracts";
import type { PagePart, ProgPack } from "./pack.js";

/**
 * The functions that write images. The mapping that the CPU executes is read-only for them too.
 *
 * ```text
 *   with kernel pkeys                            without
 *   BPF_JIT { store to the linear mapping }      map a temporary alias { store to it } unmap it
 * ```
 *
 * Without kernel pkeys the linear mapping is read-only as well, and the alias is what `text_poke` writes: a fixmap slot on arm64, a page
 * of poking_mm on x86. Each write then changes page tables and invalidates translations.
 */
@injectable()
export class ProgText {
  private readonly guard: Guard;
  private readonly trap: number;
  private readonly pageShift: number;

  constructor(
    @inject(Kpkeys) private readonly kpkeys: Kpkeys,
    @inject(Exceptions) private readonly exceptions: Exceptions,
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(LinearMap) private readonly linearMap: LinearMap,
    @inject(Vmalloc) private readonly vmalloc: Vmalloc,
    @inject(PgtableArch) { bpfCode }: PgtableArch,
    @inject(PhysicalMemory) { pageShift }: PhysicalMemory,
  ) {
    this.guard = kpkeys.guard("BPF_JIT");
    this.trap = bpfCode?.trap ?? 0;
    this.pageShift = pageShift;
  }

  /**
   * `bpf_arch_text_copy`.
   * @param pack - the pack
   * @param offset - bytes from its start, a multiple of 8
   * @param source - the new bytes, a multiple of 8
   * @returns 0; -EFAULT if a store faults; -ENOMEM without memory for a temporary alias
   */
  copy(pack: ProgPack, offset: number, source: Uint8Array): 0 | Errno {
    return this.inContext(pack, offset, source.length, ({ pfn, offset: at, done, bytes }) =>
      this.poke(pfn, at, (address) =>
        this.exceptions.copyToKernelNofault(address, source.subarray(done, done + bytes)),
      ),
    );
  }

  /** `bpf_arch_text_invalidate`: fills a part of a pack with traps. @param pack - as {@link copy} @param offset - as there @param size - bytes */
  invalidate(pack: ProgPack, offset: number, size: number): 0 | Errno {
    return this.inContext(pack, offset, size, ({ pfn, offset: at, bytes }) =>
      this.poke(pfn, at, (address) => this.storeTraps(address, bytes)),
    );
  }

  /** Fills a new pack with traps, through the linear mapping, which is writable until `set_memory_rox`. @param pack - the pack */
  fillNew(pack: ProgPack): 0 | Errno {
    return this.inContext(pack, 0, pack.bytes, ({ pfn, offset, bytes }) =>
      this.storeTraps(this.linearMap.address(pfn, offset), bytes),
    );
  }

  /** Bytes of traps, as they are in memory. @param size - bytes, a multiple of 4 */
  traps(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    const words = new DataView(bytes.buffer);
    for (let at = 0; at < size; at += 4) words.setInt32(at, this.trap, true);
    return bytes;
  }

  private storeTraps({ high, low }: Words, bytes: number): 0 | Errno {
    const status = this.cpus.current.storeRun(high, low, this.trap, this.trap, 0, bytes / 8);
    return status === OK ? 0 : Errno.EFAULT;
  }

  /** Calls a function in BPF_JIT for each page of a part of a pack. @returns 0, or the first errno of the function */
  private inContext(pack: ProgPack, offset: number, size: number, write: (part: PagePart) => 0 | Errno): 0 | Errno {
    const state = this.guard.enter();
    let errno: 0 | Errno = 0;
    for (const part of pack.parts(offset, size)) {
      errno = write(part);
      if (errno !== 0) break;
    }
    this.guard.exit(state);
    return errno;
  }

  /** Gives a function an address at which a page is writable in BPF_JIT. @returns the function's result; -ENOMEM without an alias */
  private poke(pfn: Pfn, offset: number, write: (address: Words) => 0 | Errno): 0 | Errno {
    return this.kpkeys.supported()
      ? write(this.linearMap.address(pfn, offset))
      : this.pokeThroughAlias(pfn, offset, write);
  }

  private pokeThroughAlias(pfn: Pfn, offset: number, write: (address: Words) => 0 | Errno): 0 | Errno {
    const alias = this.vmalloc.mapRam([pfn]);
    if (alias === undefined) return Errno.ENOMEM;
    const errno = write(wordsOf(alias, this.pageShift, offset));
    this.vmalloc.unmapRam(alias);
    return errno;
  }
}
