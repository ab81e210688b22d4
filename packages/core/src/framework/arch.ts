import {
  ArchTools,
  CpuFactory,
  Cpus,
  FrameKeys,
  KpkeysArch,
  Observers,
  PageKeys,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
} from "../contracts/index.js";
import type { Cpu } from "../contracts/index.js";
import { ObserverList } from "../observers.js";
import { lazily, provide, resolve } from "../di.js";
import type { DependencyContainer } from "../di.js";
import { once } from "../once.js";
import { pageKeysOf } from "./page-keys.js";

/** The parts that a machine passes to each of its CPUs. */
export interface CpuPlace {
  /** Its number, 0 being the boot CPU. */
  readonly id: number;
  /** The machine's RAM. */
  readonly memory: PhysicalMemory;
  /** Notified of its register writes, walks, TLB changes and faults. */
  readonly observers: Observers;
}

/** The contracts that an architecture implements. */
export interface ArchServices {
  /** The layout of its key register. */
  readonly pkeyRegister: PkeyRegister;
  /** The codec of its page tables. */
  readonly pageTableFormat: PageTableFormat;
  /** The keys of frames, if the codec has no `entryKeys`. */
  readonly frameKeys?: FrameKeys;
  /** How Linux writes them on this architecture. */
  readonly pgtable: PgtableArch;
  /** Its texts for faults, vectors and explanations. */
  readonly tools: ArchTools;
  /**
   * Makes the architecture's part of kpkeys.
   * @param cpus - returns the machine's CPUs; valid from the first entry of a context on, because keys are registered before CPUs exist
   */
  readonly createKpkeysArch: (cpus: () => Cpus) => KpkeysArch;
  /** Makes a CPU. @param place - the machine's parts that it uses */
  readonly createCpu: (place: CpuPlace) => Cpu;
}

/**
 * Registers the contracts that an architecture implements, from the `setup` of its plugin. The machine's {@link PhysicalMemory} must be
 * registered before the first CPU is made. In a container without {@link Observers}, CPUs have no observers.
 *
 * @param container - a machine's container
 * @param services - the contracts
 * @throws KpkeysError ERR_PLUGIN_ARCH if the keys of pages are kept both in entries and with frames, or in neither
 */
export function registerArch(container: DependencyContainer, services: ArchServices): void {
  provide(container, PkeyRegister, services.pkeyRegister);
  provide(container, PageTableFormat, services.pageTableFormat);
  if (services.frameKeys !== undefined) provide(container, FrameKeys, services.frameKeys);
  pageKeysOf(services.pageTableFormat, services.frameKeys);
  container.register(PageKeys, { useFactory: once(() => registeredPageKeys(container)) });
  provide(container, PgtableArch, services.pgtable);
  provide(container, ArchTools, services.tools);
  provide(container, KpkeysArch, services.createKpkeysArch(lazily(container, Cpus)));
  provide(container, CpuFactory, {
    create: (id) =>
      services.createCpu({
        id,
        memory: resolve(container, PhysicalMemory),
        observers: container.isRegistered(Observers, true) ? resolve(container, Observers) : new ObserverList(),
      }),
  });
}

/** The keys of pages by the codec and the keys of frames that are registered when a service first needs them. */
function registeredPageKeys(container: DependencyContainer): PageKeys {
  const frames = container.isRegistered(FrameKeys, true) ? resolve(container, FrameKeys) : undefined;
  return pageKeysOf(resolve(container, PageTableFormat), frames);
}
