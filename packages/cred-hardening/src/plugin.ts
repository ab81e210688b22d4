import { KpkeysError, provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { createClaim } from "./claim.js";
import { protectInitCred } from "./init-cred.js";
import { createHardenedStore } from "./store.js";
import { hardenedCred } from "./suite.js";
import { openForOwners } from "./unrestricted.js";
import { CredWarnings } from "./warnings.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Live credentials: KPKEYS_PKEY_CRED. */
    CRED: true;
  }
  interface KpkeysContexts {
    /** The one in which live credentials can be written: KPKEYS_LVL_CRED. */
    CRED: true;
    /** The one in which everything can: KPKEYS_LVL_UNRESTRICTED. For allocators, which serve every feature. */
    UNRESTRICTED: true;
  }
}

/**
 * The feature `kpkeys_hardened_cred`: live credentials lie in a slab cache with the key CRED, which the contexts CRED and UNRESTRICTED
 * alone give read-write. No options.
 */
export const credHardening: Plugin = {
  id: "cred",
  kind: "feature",
  description: "credentials of tasks writable by kernel/cred.c alone (CONFIG_KPKEYS_HARDENED_CRED)",
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
      throw new KpkeysError("ERR_SPEC", `there is no option '${name}'`, { where: "options of cred", expected: "none" });
    }
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    const warnings: string[] = [];
    provide(container, CredWarnings, warnings);
    const warnOn = (condition: boolean, text: string): void => {
      if (condition) warnings.push(text);
    };

    const pkey = kpkeys.registerPkey("CRED");
    kpkeys.defineContext("CRED", { CRED: "rw" });
    kpkeys.defineContext("UNRESTRICTED", {}, "rw");
    openForOwners(points, kpkeys);
    const store = createHardenedStore(container, kpkeys, kpkeys.guard("CRED"), warnOn);
    points.setCredStore(store);
    points.on("initPhase", (phase) => {
      if (phase === "tasks") store.init();
    });
    protectInitCred(container, points, kpkeys, pkey, warnOn);
    points.addSuite(hardenedCred);
    const objects = createClaim(container, pkey);
    resolve(container, ProtectedObjects).declare({ feature: "cred", objects });
  },
};
