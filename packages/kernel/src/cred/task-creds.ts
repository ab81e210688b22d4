import { CloneFlag, CRED } from "@kpkeys/core/contracts";
import type { Creds, ExtensionPoints, KernelMemory, Rcu, SlabAllocator } from "@kpkeys/core/contracts";
import { kernelBug } from "../kernel-bug.js";
import { outOfMemory } from "../out-of-memory.js";
import { createCredObjects } from "./cred.js";
import type { TaskCreds } from "./cred.js";
import { createCredJar } from "./cred-jar.js";

/** The credentials of tasks that come and go. */
export interface CredLife {
  /**
   * What an idle task starts with: init_cred.
   * @param task - the task
   */
  boot(task: TaskCreds): void;
  /**
   * `copy_creds`: a thread shares its parent's, a process gets a copy.
   * @param parent - the task that forks
   * @param child - the new task
   * @param flags - CLONE_ bits
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  copy(parent: TaskCreds, child: TaskCreds, flags: number): void;
  /**
   * execve's: `prepare_exec_creds` and `commit_creds`.
   * @param task - the task
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  exec(task: TaskCreds): void;
  /** `exit_creds`. @param task - the task */
  exit(task: TaskCreds): void;
  /**
   * The credentials as a task handles its own.
   * @param current - gives the current task
   */
  forCurrent(current: () => TaskCreds): Creds;
}

/** What the credentials of tasks are made with. */
export interface CredParts {
  /** The kernel's accesses of them. */
  readonly memory: KernelMemory;
  /** Frees them late. */
  readonly rcu: Rcu;
  /** Where they lie, unless a feature keeps them. */
  readonly slab: SlabAllocator;
  /** Physical address of init_cred. */
  readonly init: number;
  /** The feature that keeps them, and those told of a task's new credential. */
  readonly extensions: ExtensionPoints;
}

/**
 * Makes the credentials of tasks: `cred_init`.
 * @param parts - what it is made with
 */
export function createCredLife({ memory, rcu, slab, init, extensions }: CredParts): CredLife {
  const store = extensions.credStore ?? createCredJar(slab);
  const objects = createCredObjects(memory, rcu, store);
  const replaced = extensions.handlers("credReplaced");

  function commit(task: TaskCreds, prepared: number): void {
    const old = task.realCred;
    if (task.cred !== old) throw kernelBug("commit_creds", "the task's credential is overridden", "revert_creds first");
    if (objects.usage(prepared) < 1)
      throw kernelBug("commit_creds", "the credential has no reference", "a prepared one");
    const state = store.guard.enter();
    const cred = store.protect(prepared);
    objects.get(cred, 1);
    task.realCred = task.cred = cred;
    for (const handler of replaced) handler(old, cred);
    objects.put(old, 2);
    store.guard.exit(state);
  }

  /** The pair (suid, sgid) and the pair (fsuid, fsgid) become the effective ids. */
  function saveEffectiveIds(cred: number): void {
    memory.load(cred + CRED.euid, "prepare_exec_creds");
    const { valueLow: euid, valueHigh: egid } = memory;
    objects.writePair(cred, CRED.suid, euid, egid);
    objects.writePair(cred, CRED.fsuid, euid, egid);
  }

  function forCurrent(current: () => TaskCreds): Creds {
    function exchange(cred: number): number {
      const task = current();
      const old = task.cred;
      task.cred = cred;
      for (const handler of replaced) handler(old, cred);
      return old;
    }

    return {
      init,
      prepare: () => objects.copy(current().cred, false),
      prepareProtected: () => objects.copy(current().cred, true),
      protect: (cred) => store.protect(cred),
      commit(cred) {
        commit(current(), cred);
      },
      abort(cred) {
        if (objects.usage(cred) < 1)
          throw kernelBug("abort_creds", "the credential has no reference", "a prepared one");
        objects.put(cred, 1);
      },
      override: exchange,
      revert: exchange,
      accessOverride() {
        const prepared = objects.copy(current().cred, false);
        if (prepared < 0) return -1;
        memory.load(prepared + CRED.uid, "access_override_creds");
        objects.writePair(prepared, CRED.fsuid, memory.valueLow, memory.valueHigh);
        objects.writePair(prepared, CRED.rcu, 1, 0);
        return exchange(store.protect(prepared));
      },
      get(cred) {
        objects.get(cred, 1);
      },
      put(cred) {
        const { cred: subjective, realCred } = current();
        const last = objects.usage(cred) === 1;
        if (last && (cred === subjective || cred === realCred)) {
          throw kernelBug("__put_cred", "the current task still uses the credential", "a reference for each pointer");
        }
        objects.put(cred, 1);
      },
      current: () => current().cred,
      real: () => current().realCred,
    };
  }

  return {
    forCurrent,
    boot(task) {
      objects.get(init, 2);
      task.cred = task.realCred = init;
    },
    copy(parent, child, flags) {
      if ((flags & CloneFlag.THREAD) !== 0) {
        objects.get(parent.cred, 2);
        child.cred = child.realCred = parent.cred;
        return;
      }
      const cred = objects.copy(parent.cred, true);
      if (cred < 0) throw outOfMemory("the credentials of a process");
      objects.get(cred, 1);
      child.cred = child.realCred = cred;
    },
    exec(task) {
      const cred = objects.copy(task.cred, false);
      if (cred < 0) throw outOfMemory("the credentials of a program");
      saveEffectiveIds(cred);
      commit(task, cred);
    },
    exit(task) {
      const { cred, realCred } = task;
      task.cred = task.realCred = 0;
      if (cred === realCred) objects.put(cred, 2);
      else {
        objects.put(cred, 1);
        objects.put(realCred, 1);
      }
    },
  };
}
