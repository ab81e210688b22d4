import { KpkeysError, provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { liveCredentials } from "./claim.js";
import { protectInitCred } from "./init-cred.js";
import { HardenedCredStore } from "./store.js";
import { hardenedCred } from "./suite.js";
import { guardAllocatorWrites } from "./unrestricted.js";
import { CredWarnings } from "./warnings.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Live credentials: KPKEYS_PKEY_CRED. */
    CRED: true;
  }
  interface KpkeysContexts {
    /** Live credentials are writable: KPKEYS_LVL_CRED. */
    CRED: true;
  }
}

/**
 * The feature `kpkeys_hardened_cred`: live credentials are in a slab cache with the key CRED, which is writable only in the contexts
 * CRED and UNRESTRICTED. No options.
 */
export const credHardening: Plugin = {
  id: "cred",
  kind: "feature",
  description: "credentials of tasks writable only by kernel/cred.c (CONFIG_KPKEYS_HARDENED_CRED)",
  contract: 2,
  config: [
    { symbol: "KPKEYS_UNRESTRICTED_RCU", dependsOn: ["ARCH_HAS_KPKEYS"], default: "KPKEYS_UNRESTRICTED_RCU" },
    { symbol: "KPKEYS_HARDENED_CRED", dependsOn: ["ARCH_HAS_KPKEYS"], selects: ["KPKEYS_UNRESTRICTED_RCU"] },
    {
      symbol: "KPKEYS_HARDENED_CRED_KUNIT_TEST",
      dependsOn: ["KPKEYS_HARDENED_CRED", "KUNIT"],
      default: "KUNIT_ALL_TESTS",
    },
  ],
  setup(container, options) {
    for (const name of Object.keys(options)) {
      throw new KpkeysError("ERR_SPEC", `unknown option '${name}'`, {
        where: "options of cred",
        expected: "no options",
      });
    }
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    const warnings: string[] = [];
    provide(container, CredWarnings, warnings);
    const warn = (text: string): void => void warnings.push(text);

    const pkey = kpkeys.registerPkey("CRED");
    kpkeys.defineContext("CRED", { CRED: "rw" });
    kpkeys.defineContext("UNRESTRICTED", {});
    guardAllocatorWrites(points, kpkeys);
    const store = new HardenedCredStore(container, kpkeys, warn);
    points.setCredStore(store);
    points.on("initPhase", (phase) => {
      if (phase === "tasks") store.cache();
    });
    protectInitCred(container, points, kpkeys, pkey, warn);
    points.addSuite(hardenedCred);
    resolve(container, ProtectedObjects).declare({ feature: "cred", objects: liveCredentials(container, pkey) });
  },
};
