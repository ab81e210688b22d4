import { hex, inject, injectable } from "@kpkeys/core";
import { CRED, ExtensionPoints, KernelMemory, Rcu, SlabAllocator, toPhysAddr } from "@kpkeys/core/contracts";
import type { CredStore, PhysAddr } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/kernel-bug.js";
import { CredJar } from "./cred-jar.js";

/** The two credential pointers of a task. The pointers themselves are not protected. */
export interface TaskCreds {
  /** `task->cred`, subjective: the rights it acts with. */
  cred: PhysAddr;
  /** `task->real_cred`, objective: the rights that others check. */
  realCred: PhysAddr;
}

/**
 * Credentials as objects: copies and reference counts. The reference count and the rcu_head are inside the credential, so taking a
 * reference to a live one writes it, within the store's guard.
 */
@injectable()
export class CredObjects {
  /** The store: a feature's, or the kernel's own. */
  readonly store: CredStore;

  constructor(
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(Rcu) private readonly rcu: Rcu,
    @inject(SlabAllocator) slab: SlabAllocator,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.store = extensions.credStore ?? new CredJar(slab);
  }

  /** The reference count. @param cred - its address */
  usage(cred: PhysAddr): number {
    this.memory.load(toPhysAddr(cred + CRED.usage), "get_cred");
    return this.memory.valueLow;
  }

  /**
   * Takes references: `get_cred_many`. Clears `non_rcu`, which shares its word with the rcu_head: the new holder may show the
   * credential to RCU readers.
   * @param cred - its address
   * @param count - number of references
   */
  get(cred: PhysAddr, count: number): void {
    const { guard } = this.store;
    const state = guard.enter();
    this.memory.store(toPhysAddr(cred + CRED.usage), 0, this.usage(cred) + count, "get_cred_many");
    this.memory.store(toPhysAddr(cred + CRED.rcu), 0, 0, "get_cred_many");
    guard.exit(state);
  }

  /**
   * Drops references, and frees the object with the last one: `put_cred_many`.
   * @param cred - its address
   * @param count - number of references
   * @throws KpkeysError ERR_KERNEL_BUG for more than there are
   */
  put(cred: PhysAddr, count: number): void {
    const left = this.usage(cred) - count;
    if (left < 0) {
      throw kernelBug("put_cred_many", `the credential ${hex(cred)} would have usage ${left}`, "0 or more");
    }
    const { guard } = this.store;
    const state = guard.enter();
    this.memory.store(toPhysAddr(cred + CRED.usage), 0, left, "put_cred_many");
    guard.exit(state);
    if (left === 0) this.free(cred);
  }

  /**
   * Makes a copy with one reference.
   * @param from - the original
   * @param live - whether it is allocated where live ones are
   * @returns its address, or `undefined` when there is no memory
   */
  copy(from: PhysAddr, live: boolean): PhysAddr | undefined {
    const { store } = this;
    const cred = live ? store.allocLive() : store.alloc();
    if (cred === undefined) return undefined;
    const state = live ? store.guard.enter() : undefined;
    this.memory.copy(cred, from, CRED.size, "prepare_creds");
    this.memory.store(toPhysAddr(cred + CRED.rcu), 0, 0, "prepare_creds");
    this.memory.store(toPhysAddr(cred + CRED.usage), 0, 1, "prepare_creds");
    if (state !== undefined) store.guard.exit(state);
    return cred;
  }

  /**
   * Writes a pair of 32-bit fields.
   * @param cred - a credential that may be written now
   * @param offset - of the first, from {@link CRED}
   * @param low - the first
   * @param high - the second
   */
  writePair(cred: PhysAddr, offset: number, low: number, high: number): void {
    this.memory.store(toPhysAddr(cred + offset), high, low, "set_cred");
  }

  /** `__put_cred`. */
  private free(cred: PhysAddr): void {
    this.memory.load(toPhysAddr(cred + CRED.rcu), "__put_cred");
    if (this.memory.valueLow !== 0) this.putCredRcu(toPhysAddr(cred + CRED.rcu));
    else this.rcu.call(toPhysAddr(cred + CRED.rcu), this.putCredRcu);
  }

  /** `put_cred_rcu`: frees a credential, after the grace period. One function, whose address RCU writes to each rcu_head. */
  private readonly putCredRcu = (head: PhysAddr): void => {
    const cred = toPhysAddr(head - CRED.rcu);
    const left = this.usage(cred);
    if (left !== 0) throw kernelBug("put_cred_rcu", `the credential ${hex(cred)} has usage ${left}`, "0");
    this.store.free(cred);
  };
}
