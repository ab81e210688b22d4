import { inject, injectable } from "@kpkeys/core";
import { CRED, KernelMemory, Tasks, toPhysAddr } from "@kpkeys/core/contracts";
import type { Creds, PhysAddr } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/errors.js";
import type { KernelTasks } from "./tasks.js";
import { CredObjects } from "./cred.js";
import { CredLife } from "./task-creds.js";

/** The credential API of the current task. */
@injectable()
export class CurrentCreds implements Creds {
  readonly init: PhysAddr;

  constructor(
    @inject(Tasks) private readonly tasks: KernelTasks,
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(CredObjects) private readonly objects: CredObjects,
    @inject(CredLife) private readonly life: CredLife,
  ) {
    this.init = life.init;
  }

  prepare(): PhysAddr | undefined {
    return this.objects.copy(this.current(), false);
  }

  prepareProtected(): PhysAddr | undefined {
    return this.objects.copy(this.current(), true);
  }

  protect(cred: PhysAddr): PhysAddr {
    return this.objects.store.protect(cred);
  }

  commit(cred: PhysAddr): void {
    this.life.commit(this.tasks.currentCreds, cred);
  }

  abort(cred: PhysAddr): void {
    if (this.objects.usage(cred) < 1) {
      throw kernelBug("abort_creds", "the credential has no reference", "a prepared credential");
    }
    this.objects.put(cred, 1);
  }

  override(cred: PhysAddr): PhysAddr {
    return this.life.exchange(this.tasks.currentCreds, cred);
  }

  revert(cred: PhysAddr): PhysAddr {
    return this.life.exchange(this.tasks.currentCreds, cred);
  }

  accessOverride(): PhysAddr | undefined {
    const prepared = this.prepare();
    if (prepared === undefined) return undefined;
    this.memory.load(toPhysAddr(prepared + CRED.uid), "access_override_creds");
    this.objects.writePair(prepared, CRED.fsuid, this.memory.valueLow, this.memory.valueHigh);
    this.objects.writePair(prepared, CRED.rcu, 1, 0);
    return this.override(this.protect(prepared));
  }

  get(cred: PhysAddr): void {
    this.objects.get(cred, 1);
  }

  put(cred: PhysAddr): void {
    const { cred: subjective, realCred } = this.tasks.currentCreds;
    const last = this.objects.usage(cred) === 1;
    if (last && (cred === subjective || cred === realCred)) {
      throw kernelBug("__put_cred", "the current task uses the credential", "a reference for each pointer to it");
    }
    this.objects.put(cred, 1);
  }

  current(): PhysAddr {
    return this.tasks.currentCreds.cred;
  }

  real(): PhysAddr {
    return this.tasks.currentCreds.realCred;
  }
}
