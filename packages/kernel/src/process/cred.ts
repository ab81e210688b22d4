import { hex, inject, injectable } from "@kpkeys/core";
import { CRED, ExtensionPoints, KernelMemory, Rcu, SlabAllocator, toPhysAddr } from "@kpkeys/core/contracts";
import type { CredStore, PhysAddr } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/errors.js";
import { CredJar } from "./cred-jar.js";

/** The two credential pointers of a task. The pointers are not protected. */
export interface TaskCreds {
  /** `task->cred`, the subjective credential: the rights with which the task acts. */
  cred: PhysAddr;
  /** `task->real_cred`, the objective credential: the rights checked when others act on the task. */
  realCred: PhysAddr;
}

/**
 * Credential objects: copies and reference counts. The reference count and the rcu_head are inside the credential, so a new reference
 * to a live credential writes it, within the store's guard.
 */
@injectable()
export class CredObjects {
  /** The store: of a feature, or {@link CredJar}. */
  readonly store: CredStore;

  constructor(
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(Rcu) private readonly rcu: Rcu,
    @inject(SlabAllocator) slab: SlabAllocator,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.store = extensions.credStore ?? new CredJar(slab);
  }

  /** The reference count. @param cred - physical address of the credential */
  usage(cred: PhysAddr): number {
    this.memory.load(toPhysAddr(cred + CRED.usage), "get_cred");
    return this.memory.valueLow;
  }

  /**
   * Takes references: `get_cred_many`. Clears `non_rcu`, which shares its word with the rcu_head: RCU readers may see the credential
   * from now on.
   * @param cred - physical address of the credential
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
   * Drops references and frees the credential with the last one: `put_cred_many`.
   * @param cred - physical address of the credential
   * @param count - number of references
   * @throws KpkeysError ERR_KERNEL_BUG if the count becomes negative
   */
  put(cred: PhysAddr, count: number): void {
    const left = this.usage(cred) - count;
    if (left < 0) {
      throw kernelBug("put_cred_many", `usage of credential ${hex(cred)} becomes ${left}`, "0 or more");
    }
    const { guard } = this.store;
    const state = guard.enter();
    this.memory.store(toPhysAddr(cred + CRED.usage), 0, left, "put_cred_many");
    guard.exit(state);
    if (left === 0) this.free(cred);
  }

  /**
   * Makes a copy with one reference.
   * @param from - physical address of the original
   * @param live - whether to allocate the copy with `allocLive` of the store
   * @returns physical address of the copy; `undefined` if there is no memory
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
   * @param cred - physical address of a writable credential
   * @param offset - offset of the first field, from {@link CRED}
   * @param low - value of the first field
   * @param high - value of the second field
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

  /** `put_cred_rcu`: frees a credential after the grace period. A single function object, so RCU writes one address to all rcu_heads. */
  private readonly putCredRcu = (head: PhysAddr): void => {
    const cred = toPhysAddr(head - CRED.rcu);
    const left = this.usage(cred);
    if (left !== 0)
      throw kernelBug("put_cred_rcu", `usage of credential ${hex(cred)} is ${left}`, "0 after the grace period");
    this.store.free(cred);
  };
}
