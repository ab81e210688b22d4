import { provide, resolve } from "@kpkeys/core";
import {
  Errno,
  ExtensionPoints,
  Kpkeys,
  LazyMmu,
  LinearMap,
  SetMemory,
  StaticTablePages,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, InitPhase, PluginOptions, Setter } from "@kpkeys/core/contracts";
import { createTinyArch, GRANTING } from "../../core/test/framework/tiny-arch.js";
import type { TinyArch } from "../../core/test/framework/tiny-arch.js";
import { setUpFeature } from "../../core/test/framework/tiny-machine.js";
import { pgtablesHardening } from "../src/index.js";

const NO_MAP: LinearMap = {
  pageOf: (pfn) => toVpn(pfn),
  address: (pfn) => ({ high: 0xffff_0000 | 0, low: pfn << 12 }),
  pfnOf: (page) => toPfn(page),
  structPage: () => ({ high: 0, low: 0 }),
  imageAddress: () => ({ high: 0, low: 0 }),
  pteMapped: true,
  stats: () => ({ tables: 0, leaves: [], splits: 0, tlbReach: 0 }),
};

/** Static tables of the toy. */
const STATIC_RUN = { symbol: "init_pg_dir", role: "image" as const, pfn: toPfn(8), pages: 4 };

/**
 * A minimal kernel for the hardening: pages with a key in two mappings, a key register in one variable, and table writes that fail
 * if the page's key is not writable. The entry that maps page p is in table page 32 + p / 16, so setting a key is itself a table
 * write.
 */
export interface ToyMachine {
  readonly container: DependencyContainer;
  readonly arch: TinyArch;
  readonly points: ExtensionPoints;
  /** Keys of pages in the linear map; 0 when absent. */
  readonly linearKeys: Map<number, number>;
  /** Keys of pages in the image's mapping; 0 when absent. */
  readonly imageKeys: Map<number, number>;
  /** Whether setting a key fails. */
  failing: boolean;
  /** Whether code runs in interrupt, where lazy MMU mode is not active. */
  inInterrupt: boolean;
  /** Begins a phase of boot. */
  begin(phase: InitPhase): void;
  /** Reports early table pages from memblock. */
  early(...pfns: readonly number[]): void;
  /** Writes a table through a setter; throws if the key register denies it. */
  write(setter: Setter, table: number): void;
  /** Enters a lazy MMU section. @returns a function that leaves it */
  section(): (barrierFollows: boolean) => void;
}

/** Builds the toy, before its mem_init. */
export function createToyMachine(options: PluginOptions = {}, supported = true): ToyMachine {
  const arch = createTinyArch();
  arch.supported = supported;
  const container = setUpFeature(pgtablesHardening, options, { arch });
  const kpkeys = resolve(container, Kpkeys);
  const points = resolve(container, ExtensionPoints);
  kpkeys.freeze();
  points.freeze();
  arch.value = kpkeys.initialValue().low;

  const linearKeys = new Map<number, number>();
  const imageKeys = new Map<number, number>();
  let sections = 0;

  const toy: ToyMachine = {
    container,
    arch,
    points,
    linearKeys,
    imageKeys,
    failing: false,
    inInterrupt: false,
    begin(phase) {
      for (const handler of points.handlers("initPhase")) handler(phase);
    },
    early(...pfns) {
      for (const pfn of pfns) for (const handler of points.handlers("earlyTablePage")) handler(toPfn(pfn), "early");
    },
    write(setter, table) {
      const guard = points.guard(setter);
      const state = guard?.enter();
      const allowed = GRANTING.rightsOf(0, arch.value, linearKeys.get(table) ?? 0).includes("w");
      if (state !== undefined) guard?.exit(state);
      if (!allowed) throw new Error(`fault: ${setter} writes table ${table}`);
    },
    section() {
      sections++;
      const slots = points.handlers("lazyMmuEnter").map((handler) => handler());
      return (barrierFollows) => {
        sections--;
        points.handlers("lazyMmuLeave").forEach((handler, index) => {
          handler(slots[index]!, barrierFollows);
        });
      };
    },
  };

  function setKeys(keys: Map<number, number>, pfn: number, pages: number, pkey: number): 0 | Errno {
    if (toy.failing) return Errno.ENOMEM;
    const leave = toy.section();
    for (let page = pfn; page < pfn + pages; page++) {
      toy.write("set_pte", 32 + (page >> 4));
      keys.set(page, pkey);
    }
    leave(true);
    return 0;
  }

  provide(container, LinearMap, NO_MAP);
  provide(container, StaticTablePages, { keyed: [STATIC_RUN] });
  provide(container, LazyMmu, {
    enable: () => undefined,
    disable: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    isActive: () => sections > 0 && !toy.inInterrupt,
    isEnabled: () => sections > 0,
    warnings: 0,
  });
  provide(container, SetMemory, {
    counters: { pkeyCalls: 0, pkeyPages: 0, directMapCalls: 0 },
    setMemoryPkey: (page, pages, pkey) => setKeys(linearKeys, page, pages, pkey),
    setImagePkey: (pfn, pages, pkey) => setKeys(imageKeys, pfn, pages, pkey),
    setMemoryRo: () => 0,
    setMemoryRw: () => 0,
    setMemoryNx: () => 0,
    setMemoryX: () => 0,
    setMemoryValid: () => 0,
    canSetDirectMap: () => true,
    setDirectMapInvalid: () => 0,
    setDirectMapDefault: () => 0,
    setDirectMapValid: () => 0,
  });
  return toy;
}

/** Builds the toy and runs mem_init. The tables of the linear map are early pages. */
export function bootToyMachine(options: PluginOptions = {}, supported = true): ToyMachine {
  const toy = createToyMachine(options, supported);
  toy.early(32, 33, 34, 35);
  toy.begin("mem_init");
  toy.arch.counters.registerWrites = 0;
  toy.arch.counters.barriers = 0;
  return toy;
}
