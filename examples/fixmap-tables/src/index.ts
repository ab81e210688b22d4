/**
 * The page tables of the fixmap: `bm_pte` and the tables above it. They are static, at a known offset in the kernel image, and map
 * addresses that are known too: one store to them opens every page frame. The feature gives them the key of page tables in both of their
 * mappings, where the hook of the series does not.
 *
 * @packageDocumentation
 */
import { KpkeysError, lazily, resolve } from "@kpkeys/core";
import {
  ExtensionPoints,
  Kpkeys,
  LinearMap,
  PhysicalMemory,
  ProtectedObjects,
  SetMemory,
  StaticTablePages,
  toPfn,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, Errno, Plugin, ProtectedObject } from "@kpkeys/core/contracts";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { fixmapTablesSuite } from "./suite.js";

/** The pages of the fixmap's tables: their symbol and page-frame number. */
function pagesOf({ keyed }: StaticTablePages): readonly Pick<ProtectedObject, "source" | "pfn">[] {
  return keyed
    .filter(({ role }) => role === "fixmap")
    .flatMap(({ symbol, pfn, pages }) =>
      Array.from({ length: pages }, (_, i) => ({ source: symbol, pfn: toPfn(pfn + i) })),
    );
}

/** The feature. It needs page-table hardening: the setters open that key, and write these tables too. */
export const fixmapTables: Plugin = {
  id: "fixmap-tables",
  kind: "feature",
  description: "tables of the fixmap writable only by page-table setters (CONFIG_KPKEYS_FIXMAP_TABLES)",
  contract: 2,
  dependencies: [pgtablesHardening],
  config: [{ symbol: "KPKEYS_FIXMAP_TABLES", dependsOn: ["KPKEYS_HARDENED_PGTABLES"] }],
  setup(container, options) {
    for (const name of Object.keys(options))
      throw new KpkeysError("ERR_SPEC", `unknown option '${name}'`, {
        where: "options of fixmap-tables",
        expected: "no options",
      });
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    const tables = lazily(container, StaticTablePages);
    const memory = lazily(container, PhysicalMemory);
    const pkey = kpkeys.pkey("PGTABLES");

    // From this phase on a block of the linear map can be split, so that single pages of it can have a key.
    points.on("initPhase", (phase) => {
      if (phase !== "system_features" || !kpkeys.supported()) return;
      for (const page of pagesOf(tables())) protect(container, page, pkey);
    });
    points.addSuite(fixmapTablesSuite);
    resolve(container, ProtectedObjects).declare({
      feature: "fixmap-tables",
      objects: () => pagesOf(tables()).map((page) => ({ ...page, offset: 0, size: 2 ** memory().pageShift, pkey })),
    });
  },
};

/** Sets the key in the linear map and in the kernel image's own mapping. */
function protect(
  container: DependencyContainer,
  { source, pfn }: Pick<ProtectedObject, "source" | "pfn">,
  pkey: ProtectedObject["pkey"],
): void {
  const setMemory = resolve(container, SetMemory);
  const check = (mapping: string, errno: 0 | Errno): void => {
    if (errno === 0) return;
    throw new KpkeysError("ERR_KERNEL_BUG", `cannot set the key of ${source} in the ${mapping}: errno ${errno}`, {
      where: "plugin 'fixmap-tables'",
      advice: "see the errors of SetMemory",
    });
  };
  check("linear map", setMemory.setMemoryPkey(resolve(container, LinearMap).pageOf(pfn), 1, pkey));
  check("image mapping", setMemory.setImagePkey(pfn, 1, pkey));
}
