import { provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { DependencyContainer, Plugin } from "@kpkeys/core/contracts";
import { BlockAllocator } from "./block-allocator/block-allocator.js";
import { guardSetters } from "./guard.js";
import { Hardening } from "./hardening.js";
import { initInMemInit } from "./init.js";
import { initByLateWalk } from "./late-walk.js";
import { batchLazySections } from "./lazy.js";
import { mapLeafTablesWhileLocked } from "./leaf-mapping.js";
import { readOptions } from "./options.js";
import type { PgtablesOptions } from "./options.js";
import { RegularTables } from "./regular.js";
import { installSoftMode } from "./soft.js";
import { PgtablesWarnings } from "./warnings.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Page-table pages: KPKEYS_PKEY_PGTABLES. */
    PGTABLES: true;
  }
  interface KpkeysContexts {
    /** Page tables are writable: KPKEYS_CTX_PGTABLES. */
    PGTABLES: true;
  }
}

/**
 * The feature `kpkeys_hardened_pgtables`: all page-table pages have the key PGTABLES, which is writable only in the context PGTABLES,
 * and the setters enter that context around their writes. Options: {@link PgtablesOptions}.
 */
export const pgtablesHardening: Plugin = {
  id: "pgtables",
  kind: "feature",
  description: "page tables writable only by their setters (CONFIG_KPKEYS_HARDENED_PGTABLES)",
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
      // Its name in v1 to v3 of the series.
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

    const hardening = new Hardening(container, kpkeys, warnings);
    resolve(container, ProtectedObjects).declare({ feature: "pgtables", tablePkey: hardening.pkey });
    guardSetters(container, points, hardening.guard, policy);
    if (policy.batching) batchLazySections(points, kpkeys, hardening.guard);
    installSoftMode(container, points, hardening);
    protectTables(container, points, kpkeys, hardening, policy);
  },
};

/** Protects the tables of early boot, the static tables and those from the buddy allocator. */
function protectTables(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  hardening: Hardening,
  policy: Required<PgtablesOptions>,
): void {
  const { tagging, early } = policy;
  if (tagging === "block-allocator") {
    new BlockAllocator(container, kpkeys, hardening, policy).install(points);
    return;
  }
  const isInitialised =
    early === "late-walk"
      ? initByLateWalk(container, points, kpkeys, hardening, policy)
      : initInMemInit(container, points, kpkeys, hardening, policy);
  const tables = new RegularTables(hardening, isInitialised);
  if (tagging === "allocator") tables.protectInAllocator(points);
  else tables.protectInConstructor(points, tagging === "ctor-missing-kernel");
}
