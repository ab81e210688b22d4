import { KpkeysError, lazily, provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, KernelMemory, Kpkeys, ProtectedObjects, Tasks, toPfn } from "@kpkeys/core/contracts";
import type { Plugin, ProtectedObject } from "@kpkeys/core/contracts";
import { ThreadSecrets } from "./contract.js";
import { SECRETS } from "./layout.js";
import { secretKeysSuite } from "./suite.js";
import { SlotSecrets } from "./threads.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Secrets of threads: no access by default. */
    SECRETS: true;
  }
  interface KpkeysContexts {
    /** Secrets of threads are readable: the context switch. */
    SECRETS_READ: true;
    /** Secrets of threads are readable and writable: creation, exec, prctl and exit. */
    SECRETS_WRITE: true;
  }
}

/**
 * The feature of CONFIG_KPKEYS_SECRET_KEYS: the pointer-authentication keys of each thread are on pages with the key SECRETS, which only
 * the context switch reads, and only creation, exec, `prctl(PR_PAC_RESET_KEYS)` and exit write. No options.
 */
export const secretKeys: Plugin = {
  id: "secrets",
  kind: "feature",
  description: "pointer-authentication keys of threads readable only by the context switch (CONFIG_KPKEYS_SECRET_KEYS)",
  contract: 2,
  config: [
    { symbol: "KPKEYS_SECRET_KEYS", dependsOn: ["ARCH_HAS_KPKEYS"] },
    {
      symbol: "KPKEYS_SECRET_KEYS_KUNIT_TEST",
      dependsOn: ["KPKEYS_SECRET_KEYS", "KUNIT"],
      default: "KUNIT_ALL_TESTS",
    },
  ],
  setup(container, options) {
    for (const name of Object.keys(options)) {
      throw new KpkeysError("ERR_SPEC", `unknown option '${name}'`, {
        where: "options of secrets",
        expected: "no options",
      });
    }
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    const pkey = kpkeys.registerPkey("SECRETS", { default: "none" });
    kpkeys.defineContext("SECRETS_READ", { SECRETS: "r" });
    kpkeys.defineContext("SECRETS_WRITE", { SECRETS: "rw" });
    const secrets = new SlotSecrets(container, kpkeys, pkey);
    provide(container, ThreadSecrets, secrets);
    attach(points, secrets);
    points.addSuite(secretKeysSuite);

    const memory = lazily(container, KernelMemory);
    const objectOf = (slot: number): ProtectedObject => ({
      pfn: toPfn(Math.floor(slot / memory().pageBytes)),
      offset: slot % memory().pageBytes,
      size: SECRETS.size,
      pkey,
      source: "thread_secrets",
      withholds: "read-write",
    });
    resolve(container, ProtectedObjects).declare({
      feature: "secrets",
      objects: () => Array.from(secrets.all, objectOf),
    });
  },
  exercise(machine) {
    const tasks = machine.get(Tasks);
    tasks.switchTo(tasks.create(undefined));
    machine.get(ThreadSecrets).resetKeys(0);
  },
};

/** Follows the tasks. A page of the linear map can have a separate key from the phase `system_features` on. */
function attach(points: ExtensionPoints, secrets: SlotSecrets): void {
  points.on("initPhase", (phase) => {
    if (phase === "system_features") secrets.start();
  });
  points.on("taskCreated", (task, parent) => secrets.create(task, parent));
  points.on("taskExec", (task) => {
    secrets.exec(task);
  });
  points.on("taskExited", (task) => {
    secrets.exit(task);
  });
  points.on("contextSwitch", (_previous, next) => {
    secrets.switchTo(next);
  });
  points.on("cpuResume", (cpu) => {
    secrets.reload(cpu);
  });
}
