import { lazily, resolve } from "@kpkeys/core";
import { Kpkeys, LinearMap, SetMemory, StaticKeys, toPkey } from "@kpkeys/core/contracts";
import type { DependencyContainer, Errno, Pfn, Pkey, StaticKey } from "@kpkeys/core/contracts";
import { HardenedGuard } from "./guard.js";

/** The key, the static key and the guard of one machine's hardening. Sets the key on pages. */
export class Hardening {
  /** Number of the key PGTABLES. */
  readonly pkey: Pkey;
  /** `kpkeys_hardened_pgtables_key`: on once the hardening is initialised. */
  readonly key: StaticKey;
  /** Enters the context PGTABLES while {@link key} is on. */
  readonly guard: HardenedGuard;
  private readonly linearMap: () => LinearMap;
  private readonly setMemory: () => SetMemory;

  /**
   * Registers the key and the context.
   *
   * @param container - the machine's container
   * @param kpkeys - its kpkeys API, not frozen
   * @param warnings - receives the warnings
   */
  constructor(
    container: DependencyContainer,
    kpkeys: Kpkeys,
    private readonly warnings: string[],
  ) {
    this.pkey = kpkeys.registerPkey("PGTABLES");
    kpkeys.defineContext("PGTABLES", { PGTABLES: "rw" });
    this.key = resolve(container, StaticKeys).define("kpkeys_hardened_pgtables_key");
    this.guard = new HardenedGuard(kpkeys, this.key);
    this.linearMap = lazily(container, LinearMap);
    this.setMemory = lazily(container, SetMemory);
  }

  /**
   * Sets the key in the linear map: `set_memory_pkey`. A failure is a warning.
   * @param what - the pages, for the warning
   * @param pfn - first page-frame number
   * @param pages - number of pages
   * @returns 0 or the error
   */
  protect(what: string, pfn: Pfn, pages: number): 0 | Errno {
    return this.setLinearKey(what, pfn, pages, this.pkey);
  }

  /**
   * Sets key 0 in the linear map. A failure is a warning.
   * @param what - the pages, for the warning
   * @param pfn - first page-frame number
   * @param pages - number of pages
   * @returns 0 or the error
   */
  unprotect(what: string, pfn: Pfn, pages: number): 0 | Errno {
    return this.setLinearKey(what, pfn, pages, toPkey(0));
  }

  /**
   * Sets the key in the kernel image's own mapping. A failure is a warning.
   * @param what - the pages, for the warning
   * @param pfn - first page-frame number, inside the image
   * @param pages - number of pages
   */
  protectInImage(what: string, pfn: Pfn, pages: number): void {
    const errno = this.setMemory().setImagePkey(pfn, pages, this.pkey);
    if (errno !== 0) this.warnFailed(what, "image mapping", pfn, pages, this.pkey, errno);
  }

  /**
   * `WARN_ON`.
   * @param text - the failure and its pages
   */
  warn(text: string): void {
    this.warnings.push(text);
  }

  private setLinearKey(what: string, pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    const errno = this.setMemory().setMemoryPkey(this.linearMap().pageOf(pfn), pages, pkey);
    if (errno !== 0) this.warnFailed(what, "linear map", pfn, pages, pkey, errno);
    return errno;
  }

  private warnFailed(what: string, map: string, pfn: Pfn, pages: number, pkey: Pkey, errno: Errno): void {
    this.warn(`cannot set key ${pkey} on ${pages} ${what} from page ${pfn} in the ${map}: errno ${errno}`);
  }
}
