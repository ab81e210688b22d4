import { overriding, provide, resolve } from "@kpkeys/core";
import {
  applyChange,
  Cpus,
  Errno,
  ExtensionPoints,
  INIT_PHASES,
  InitPhases,
  KpkeysArch,
  LinearMap,
  PageTableFormat,
  PageTables,
  PkeyRegister,
  Rcu,
  SetMemory,
  token,
  toLevel,
  toPkey,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionHandlers, Guard, Pfn, Plugin, Token, Vpn } from "@kpkeys/core/contracts";

/**
 * A feature that puts an old behaviour in the place of what a contract's implementation does now. Set up before all other
 * features, it stands between them and the machine.
 * @param id - its id
 * @param description - one line
 * @param setup - replaces what it replaces
 */
export function variant(id: string, description: string, setup: (container: DependencyContainer) => void): Plugin {
  return { id, kind: "feature", description, contract: 2, setup };
}

/**
 * Replaces a service of the kernel for all who ask the container for it, that is for the features and for scenarios. The kernel
 * makes its services after the features are set up, and boot tells when they are there.
 * @param container - the machine's
 * @param service - its token
 * @param make - makes the replacement of the original
 */
function replaceService<T extends object>(
  container: DependencyContainer,
  service: Token<T>,
  make: (original: T) => T,
): void {
  resolve(container, ExtensionPoints).on("initPhase", (phase) => {
    if (phase === "memblock") provide(container, service, make(resolve(container, service)));
  });
}

/** All callbacks of RCU run with what freeing credentials needs (before v2 of the credentials series). */
export const callbacksPrivileged: Plugin = variant(
  "museum-callbacks-privileged",
  "rcu_do_batch() runs every callback with credentials open",
  (container) => {
    const guard = (): Guard => resolve(container, ExtensionPoints).credStore!.guard;
    replaceService(container, Rcu, (original) =>
      overriding(original, {
        call(head, callback) {
          original.call(head, () => {
            const state = guard().enter();
            callback(head);
            guard().exit(state);
          });
        },
      }),
    );
  },
);

/** The constructor of a table page returns nothing (before v2): that a handler refuses is not heard. */
export const voidConstructor: Plugin = variant(
  "museum-void-constructor",
  "pagetable_*_ctor() returns nothing",
  (container) => {
    const points = resolve(container, ExtensionPoints);
    const on = points.on.bind(points);
    points.on = (point, handler) => {
      if (point !== "tablePageCtor") {
        on(point, handler);
        return;
      }
      const ctor = handler as ExtensionHandlers["tablePageCtor"];
      on("tablePageCtor", (pfn, level, source) => {
        ctor(pfn, level, source);
        return 0;
      });
    };
  },
);

/** The first key that is set after boot is not: as when a block of the linear map cannot be split for want of memory. */
export const firstPkeyFails: Plugin = variant(
  "museum-first-pkey-fails",
  "set_memory_pkey() fails once with -ENOMEM",
  (container) => {
    let failed = false;
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey(page, pages, pkey) {
          if (failed || !resolve(container, InitPhases).done) return original.setMemoryPkey(page, pages, pkey);
          failed = true;
          return Errno.ENOMEM;
        },
      }),
    );
  },
);

/** A key beyond the last is taken (before v3): its bits are shifted into the entry, as far as they fit. */
export const pkeyUnchecked: Plugin = variant(
  "museum-pkey-unchecked",
  "set_memory_pkey() takes any key",
  (container) => {
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey(page, pages, pkey) {
          if (pkey < resolve(container, PkeyRegister).keys) return original.setMemoryPkey(page, pages, pkey);
          for (let i = 0; i < pages; i++) writePkey(container, toVpn(page + i), pkey);
          const { high, low } = wordsOf(page, resolve(container, PageTableFormat).geometry.pageShift);
          resolve(container, Cpus).current.mmu.invalidateRange(high, low, pages);
          return 0;
        },
      }),
    );
  },
);

/** Rewrites the leaf of one page that a page table maps. */
function writePkey(container: DependencyContainer, page: Vpn, pkey: number): void {
  const tables = resolve(container, PageTables);
  const format = resolve(container, PageTableFormat);
  const lastLevel = toLevel(format.geometry.levels.length - 1);
  const entry = tables.entryAt(tables.root, lastLevel, page)!;
  entry.set(applyChange(entry.read(), format.pkeyChange(toPkey(pkey))));
}

/** An address is looked for in the linear map with its tag (before v7). */
export const addressTagKept: Plugin = variant(
  "museum-address-tag-kept",
  "set_memory_pkey() leaves an address tag where it is",
  (container) => {
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey: (page, pages, pkey) =>
          resolve(container, LinearMap).pfnOf(page) === undefined
            ? Errno.EINVAL
            : original.setMemoryPkey(page, pages, pkey),
      }),
    );
  },
);

/**
 * The mock that the published numbers were measured with: a CPU without kernel pkeys on which kpkeys runs all the same, over a
 * register that decides nothing.
 */
export const mockedPkeys: Plugin = variant("museum-mock", "kpkeys on a CPU without kernel pkeys", (container) => {
  Object.assign(resolve(container, KpkeysArch), { supportsKpkeys: () => true, supportsKpkeysEarly: () => true });
});

/** A key is set only where the CPU has keys, whatever kpkeys says (before v6). Before the mock in the order of features. */
export const taggingAsksCpu: Plugin = variant(
  "museum-tagging-asks-cpu",
  "set_memory_pkey() does nothing unless the CPU itself has kernel pkeys",
  (container) => {
    const arch = resolve(container, KpkeysArch);
    const isSupported = arch.supportsKpkeys.bind(arch);
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey: (page, pages, pkey) => (isSupported() ? original.setMemoryPkey(page, pages, pkey) : 0),
      }),
    );
  },
);

/** PIE_E1 of mainline: R, RX, RW and RWX of kernel pages in the encodings to which overlays do not apply. */
const PIR_MAINLINE = 0xcc88_0e0a_c080_0000n;

/** PIR_EL1 as mainline has it (before patch 3 of the series). */
export const mainlinePir: Plugin = variant("museum-mainline-pir", "PIR_EL1 as mainline sets it", (container) => {
  resolve(container, ExtensionPoints).on("cpuOnline", (cpu) => {
    resolve(container, Cpus).all[cpu]!.systemRegisters.write("PIR_EL1", PIR_MAINLINE);
  });
});

/** Keys that are wanted before blocks of the linear map may be split are set as soon as they may. */
export const pkeysDeferred: Plugin = variant(
  "museum-pkeys-deferred",
  "set_memory_pkey() waits until blocks may be split",
  (container) => {
    const waiting: (() => void)[] = [];
    const mayNotSplit = (): boolean =>
      INIT_PHASES.indexOf(resolve(container, InitPhases).current!) < INIT_PHASES.indexOf("system_features");
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey(...call) {
          if (!mayNotSplit()) return original.setMemoryPkey(...call);
          waiting.push(() => original.setMemoryPkey(...call));
          return 0;
        },
      }),
    );
    resolve(container, ExtensionPoints).on("initPhase", (phase) => {
      if (phase === "system_features") for (const call of waiting) call();
    });
  },
);

/** A call of set_memory_pkey(). */
export interface PkeyCall {
  /** In how many other calls it was made. */
  readonly depth: number;
  /** The page it was for. */
  readonly pfn: Pfn | undefined;
  /** What it returned. */
  errno: 0 | Errno;
}

/** The calls of set_memory_pkey() since boot, in the order in which they began. */
export type PkeyCalls = readonly PkeyCall[];

/** Token of {@link PkeyCalls}. */
export const PkeyCalls: Token<PkeyCalls> = token("PkeyCalls");

/** Writes down the calls of set_memory_pkey(), those within others too. Changes nothing. */
export const pkeyCallLog: Plugin = variant(
  "museum-pkey-call-log",
  "writes down calls of set_memory_pkey()",
  (container) => {
    const calls: PkeyCall[] = [];
    let depth = 0;
    provide(container, PkeyCalls, calls);
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey(page, pages, pkey) {
          if (!resolve(container, InitPhases).done) return original.setMemoryPkey(page, pages, pkey);
          const call: PkeyCall = { depth: depth++, pfn: resolve(container, LinearMap).pfnOf(page), errno: 0 };
          calls.push(call);
          call.errno = original.setMemoryPkey(page, pages, pkey);
          depth--;
          return call.errno;
        },
      }),
    );
  },
);
