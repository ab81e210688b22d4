import { provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects, StaticKeys } from "@kpkeys/core/contracts";
import type { DependencyContainer, Plugin } from "@kpkeys/core/contracts";
import { allocateFromBlocks } from "./block-allocator/block-allocator.js";
import { guardSetters } from "./guard.js";
import type { Hardening } from "./hardening.js";
import { initInMemInit } from "./init.js";
import { initByLateWalk } from "./late-walk.js";
import { batchLazySections } from "./lazy.js";
import { mapLeafTablesWhileLocked } from "./leaf-mapping.js";
import { readOptions } from "./options.js";
import type { PgtablesOptions } from "./options.js";
import { protectRegularTables } from "./regular.js";
import { forgiveInSoftMode } from "./soft.js";
import { createTagging } from "./tagging.js";
import { PgtablesWarnings } from "./warnings.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Page-table pages: KPKEYS_PKEY_PGTABLES. */
    PGTABLES: true;
  }
  interface KpkeysContexts {
    /** The one in which page tables can be written: KPKEYS_CTX_PGTABLES. */
    PGTABLES: true;
  }
}

/**
 * The feature `kpkeys_hardened_pgtables`: all page-table pages get the key PGTABLES, which every context but PGTABLES gives
 * read-only, and the setters enter that context around their writes. Options: {@link PgtablesOptions}.
 */
export const pgtablesHardening: Plugin = {
  id: "pgtables",
  kind: "feature",
  description: "page tables writable by their setters alone (CONFIG_KPKEYS_HARDENED_PGTABLES)",
  contract: 2,
  config: [
    {
      symbol: "ARCH_HAS_KPKEYS_HARDENED_PGTABLES",
      dependsOn: ["ARCH_HAS_KPKEYS"],
      default: "ARCH_HAS_KPKEYS_HARDENED_PGTABLES",
    },
    { symbol: "KPKEYS_HARDENED_PGTABLES", dependsOn: ["ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
    {
      symbol: "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST",
      dependsOn: ["KPKEYS_HARDENED_PGTABLES", "KUNIT"],
      default: "KUNIT_ALL_TESTS",
    },
    {
      // What v1 to v3 of the series call the same.
      symbol: "KPKEYS_HARDENED_PGTABLES_TEST",
      dependsOn: ["KPKEYS_HARDENED_PGTABLES", "KUNIT"],
      default: "KUNIT_ALL_TESTS",
    },
  ],
  setup(container, options) {
    const policy = readOptions(options);
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    const warnings: string[] = [];
    provide(container, PgtablesWarnings, warnings);
    if (policy.placement === "leaf-mapping") {
      mapLeafTablesWhileLocked(container, points);
      return;
    }

    const hardening: Hardening = {
      pkey: kpkeys.registerPkey("PGTABLES"),
      key: resolve(container, StaticKeys).define("kpkeys_hardened_pgtables_key"),
      tagging: createTagging(container),
      warnOn(condition, text) {
        if (condition) warnings.push(text);
      },
    };
    kpkeys.defineContext("PGTABLES", { PGTABLES: "rw" });
    resolve(container, ProtectedObjects).declare({ feature: "pgtables", tablePkey: hardening.pkey });

    guardSetters(container, points, kpkeys, hardening.key, policy);
    if (policy.batching) batchLazySections(points, kpkeys, hardening.key);
    forgiveInSoftMode(container, points, hardening);
    protectTables(container, points, kpkeys, hardening, policy);
  },
};

/** The tables of early boot, the static ones, and those from the buddy allocator. */
function protectTables(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  policy: Required<PgtablesOptions>,
): void {
  const { tagging, early, staticAliases } = policy;
  if (tagging === "block-allocator") {
    allocateFromBlocks(container, points, kpkeys, hardening, policy);
    return;
  }
  const init =
    early === "late-walk"
      ? initByLateWalk(container, points, kpkeys, hardening, staticAliases)
      : initInMemInit(container, points, kpkeys, hardening, policy);
  protectRegularTables(points, hardening, init, tagging);
}
