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
  PageKeys,
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
 * A feature that replaces the implementation of a contract by an old behaviour. It is set up before all other features, so that
 * they resolve the replacement.
 * @param id - its id
 * @param description - one line
 * @param setup - makes the replacement
 */
export function variant(id: string, description: string, setup: (container: DependencyContainer) => void): Plugin {
  return { id, kind: "feature", description, contract: 2, setup };
}

/**
 * Replaces a service of the kernel in a machine's container. The kernel creates its services after the features are set up, so
 * the replacement is made in the phase `memblock`.
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

type SetMemoryPkey = SetMemory["setMemoryPkey"];

/** A variant of set_memory_pkey(). `make` gets the original and returns the replacement. */
function setMemoryPkeyVariant(
  id: string,
  description: string,
  make: (original: SetMemoryPkey, container: DependencyContainer) => SetMemoryPkey,
): Plugin {
  return variant(id, description, (container) => {
    replaceService(container, SetMemory, (original) => {
      const setMemoryPkey = original.setMemoryPkey.bind(original);
      return overriding(original, { setMemoryPkey: make(setMemoryPkey, container) });
    });
  });
}

/** Every RCU callback runs in the context in which credentials are writable (before v2 of the credentials series). */
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

/** The constructor of a table page returns void (before v2): the error of a handler is lost. */
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

/** The first call of set_memory_pkey() after boot fails, as it does if memory for the split of a block is short. */
export const firstPkeyFails: Plugin = setMemoryPkeyVariant(
  "museum-first-pkey-fails",
  "set_memory_pkey() fails once with -ENOMEM",
  (original, container) => {
    let failed = false;
    return (page, pages, pkey) => {
      if (failed || !resolve(container, InitPhases).done) return original(page, pages, pkey);
      failed = true;
      return Errno.ENOMEM;
    };
  },
);

/** A key above the last one is accepted (before v3): its bits are shifted into the entry and cut off there. */
export const pkeyUnchecked: Plugin = setMemoryPkeyVariant(
  "museum-pkey-unchecked",
  "set_memory_pkey() accepts any key",
  (original, container) => (page, pages, pkey) => {
    if (pkey < resolve(container, PkeyRegister).keys) return original(page, pages, pkey);
    for (let i = 0; i < pages; i++) writePkey(container, toVpn(page + i), pkey);
    const { high, low } = wordsOf(page, resolve(container, PageTableFormat).geometry.pageShift);
    resolve(container, Cpus).current.mmu.invalidateRange(high, low, pages);
    return 0;
  },
);

/** Writes a key to the leaf of a page that a PTE maps. */
function writePkey(container: DependencyContainer, page: Vpn, pkey: number): void {
  const tables = resolve(container, PageTables);
  const format = resolve(container, PageTableFormat);
  const lastLevel = toLevel(format.geometry.levels.length - 1);
  const entry = tables.entryAt(tables.root, lastLevel, page)!;
  const leaf = entry.read();
  const frames = [{ pfn: format.pfnOf(leaf.high, leaf.low), pages: 1 }];
  resolve(container, PageKeys).set(frames, toPkey(pkey), (change) => {
    entry.set(applyChange(leaf, change));
    return 0;
  });
}

/** The linear-map check gets the address with its tag (before v7). */
export const addressTagKept: Plugin = setMemoryPkeyVariant(
  "museum-address-tag-kept",
  "set_memory_pkey() does not remove an address tag",
  (original, container) => (page, pages, pkey) =>
    resolve(container, LinearMap).pfnOf(page) === undefined ? Errno.EINVAL : original(page, pages, pkey),
);

/**
 * The mock of the published measurements: kpkeys runs on a CPU without kernel pkeys, with a key register that has no effect.
 */
export const mockedPkeys: Plugin = variant("museum-mock", "kpkeys on a CPU without kernel pkeys", (container) => {
  Object.assign(resolve(container, KpkeysArch), { supportsKpkeys: () => true, supportsKpkeysEarly: () => true });
});

/**
 * set_memory_pkey() sets a key only if the CPU has kernel pkeys, even if kpkeys is enabled (before v6). It is set up before the
 * mock, so that its copy of supportsKpkeys() is the one of the CPU.
 */
export const taggingChecksCpu: Plugin = variant(
  "museum-tagging-checks-cpu",
  "set_memory_pkey() does nothing unless the CPU has kernel pkeys",
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

/** PIR_EL1 as in mainline (before patch 3 of the series). */
export const mainlinePir: Plugin = variant("museum-mainline-pir", "PIR_EL1 as mainline sets it", (container) => {
  resolve(container, ExtensionPoints).on("cpuOnline", (cpu) => {
    resolve(container, Cpus).all[cpu]!.systemRegisters.write("PIR_EL1", PIR_MAINLINE);
  });
});

/** Calls of set_memory_pkey() before blocks of the linear map can be split are deferred to the phase in which they can. */
export const pkeysDeferred: Plugin = variant(
  "museum-pkeys-deferred",
  "set_memory_pkey() waits until blocks can be split",
  (container) => {
    const waiting: (() => void)[] = [];
    const canSplit = (): boolean =>
      INIT_PHASES.indexOf(resolve(container, InitPhases).current!) >= INIT_PHASES.indexOf("system_features");
    replaceService(container, SetMemory, (original) =>
      overriding(original, {
        setMemoryPkey(...call) {
          if (canSplit()) return original.setMemoryPkey(...call);
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
  /** Number of calls in progress when it was made. */
  readonly depth: number;
  /** The page. */
  readonly pfn: Pfn | undefined;
  /** Its result. */
  errno: 0 | Errno;
}

/** The calls of set_memory_pkey() since boot, in the order in which they began. */
export type PkeyCalls = readonly PkeyCall[];

/** Token of {@link PkeyCalls}. */
export const PkeyCalls: Token<PkeyCalls> = token("PkeyCalls");

/** Records the calls of set_memory_pkey(), nested ones included. Changes nothing. */
export const pkeyCallLog: Plugin = setMemoryPkeyVariant(
  "museum-pkey-call-log",
  "records the calls of set_memory_pkey()",
  (original, container) => {
    const calls: PkeyCall[] = [];
    let depth = 0;
    provide(container, PkeyCalls, calls);
    return (page, pages, pkey) => {
      if (!resolve(container, InitPhases).done) return original(page, pages, pkey);
      const call: PkeyCall = { depth: depth++, pfn: resolve(container, LinearMap).pfnOf(page), errno: 0 };
      calls.push(call);
      call.errno = original(page, pages, pkey);
      depth--;
      return call.errno;
    };
  },
);
