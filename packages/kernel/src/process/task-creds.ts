import { inject, injectable } from "@kpkeys/core";
import {
  CloneFlag,
  CRED,
  ExtensionPoints,
  KernelMemory,
  NULL,
  PageTableFormat,
  physAddrOf,
  toPhysAddr,
} from "@kpkeys/core/contracts";
import type { PhysAddr } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/errors.js";
import { KernelImage } from "../boot/image.js";
import { outOfMemory } from "../machine/errors.js";
import { CredObjects } from "./cred.js";
import type { TaskCreds } from "./cred.js";

/** Changes the credentials of tasks at fork, execve, exit and commit. */
@injectable()
export class CredLife {
  /** Physical address of `init_cred`. */
  readonly init: PhysAddr;
  private readonly replaced: readonly ((previous: PhysAddr, next: PhysAddr) => void)[];

  constructor(
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(CredObjects) private readonly objects: CredObjects,
    @inject(KernelImage) { initCredPfn }: KernelImage,
    @inject(PageTableFormat) { geometry }: PageTableFormat,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.init = physAddrOf(initCredPfn, geometry.pageShift);
    this.replaced = extensions.handlers("credReplaced");
  }

  /** Gives an idle task init_cred. @param task - the task */
  boot(task: TaskCreds): void {
    this.objects.get(this.init, 2);
    task.cred = task.realCred = this.init;
  }

  /**
   * `copy_creds`: a thread shares the credential of its parent, a process gets a copy.
   * @param parent - the forking task
   * @param child - the new task
   * @param flags - CLONE_ bits
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  copy(parent: TaskCreds, child: TaskCreds, flags: number): void {
    if ((flags & CloneFlag.THREAD) !== 0) {
      this.objects.get(parent.cred, 2);
      child.cred = child.realCred = parent.cred;
      return;
    }
    const cred = this.objects.copy(parent.cred, true);
    if (cred === undefined) throw outOfMemory("the credentials of a process");
    this.objects.get(cred, 1);
    child.cred = child.realCred = cred;
  }

  /**
   * `prepare_exec_creds` and `commit_creds` of execve.
   * @param task - the task
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  exec(task: TaskCreds): void {
    const cred = this.objects.copy(task.cred, false);
    if (cred === undefined) throw outOfMemory("the credentials of a program");
    this.saveEffectiveIds(cred);
    this.commit(task, cred);
  }

  /** `exit_creds`. @param task - the task */
  exit(task: TaskCreds): void {
    const { cred, realCred } = task;
    task.cred = task.realCred = NULL;
    if (cred === realCred) this.objects.put(cred, 2);
    else {
      this.objects.put(cred, 1);
      this.objects.put(realCred, 1);
    }
  }

  /**
   * `commit_creds`.
   * @param task - the task
   * @param prepared - its new credential
   * @throws KpkeysError ERR_KERNEL_BUG if the task's credential is overridden or the new one has no reference
   */
  commit(task: TaskCreds, prepared: PhysAddr): void {
    const old = task.realCred;
    if (task.cred !== old) throw kernelBug("commit_creds", "the task's credential is overridden", "revert_creds first");
    if (this.objects.usage(prepared) < 1) {
      throw kernelBug("commit_creds", "the credential has no reference", "a prepared credential");
    }
    const { store } = this.objects;
    const state = store.guard.enter();
    const cred = store.protect(prepared);
    this.objects.get(cred, 1);
    task.realCred = task.cred = cred;
    this.notify(old, cred);
    this.objects.put(old, 2);
    store.guard.exit(state);
  }

  /**
   * `override_creds` and `revert_creds`: exchanges the subjective credential.
   * @param task - the task
   * @param cred - its new subjective credential
   * @returns the previous one
   */
  exchange(task: TaskCreds, cred: PhysAddr): PhysAddr {
    const old = task.cred;
    task.cred = cred;
    this.notify(old, cred);
    return old;
  }

  private notify(previous: PhysAddr, next: PhysAddr): void {
    for (const handler of this.replaced) handler(previous, next);
  }

  /** Copies (euid, egid) to (suid, sgid) and (fsuid, fsgid). */
  private saveEffectiveIds(cred: PhysAddr): void {
    this.memory.load(toPhysAddr(cred + CRED.euid), "prepare_exec_creds");
    const { valueLow: euid, valueHigh: egid } = this.memory;
    this.objects.writePair(cred, CRED.suid, euid, egid);
    this.objects.writePair(cred, CRED.fsuid, euid, egid);
  }
}
