import {
  ArchTools,
  CpuFactory,
  Cpus,
  KpkeysArch,
  Observers,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
} from "../contracts/index.js";
import type { Cpu } from "../contracts/index.js";
import { ObserverList } from "../observers.js";
import { lazily, provide, resolve } from "../di.js";
import type { DependencyContainer } from "../di.js";

/** What the machine gives each of its CPUs. */
export interface CpuPlace {
  /** Its number, 0 being the boot CPU. */
  readonly id: number;
  /** The machine's RAM. */
  readonly memory: PhysicalMemory;
  /** Notified of what it does. */
  readonly observers: Observers;
}

/** What an architecture implements. */
export interface ArchServices {
  /** The layout of its key register. */
  readonly pkeyRegister: PkeyRegister;
  /** The codec of its page tables. */
  readonly pageTableFormat: PageTableFormat;
  /** How its kernel writes them. */
  readonly pgtable: PgtableArch;
  /** Its words for faults, vectors and explanations. */
  readonly tools: ArchTools;
  /**
   * Makes its part of kpkeys.
   * @param cpus - gives the machine's CPUs; to be asked when a context is first entered, since keys are registered before there are CPUs
   */
  readonly createKpkeysArch: (cpus: () => Cpus) => KpkeysArch;
  /** Makes a CPU. @param place - what the machine gives it */
  readonly createCpu: (place: CpuPlace) => Cpu;
}

/**
 * Registers what an architecture implements: the `setup` of an architecture's plugin. The machine's {@link PhysicalMemory}
 * must be registered when the first CPU is made. In a container without {@link Observers}, CPUs are not observed.
 *
 * @param container - a machine's container
 * @param services - the contracts
 */
export function registerArch(container: DependencyContainer, services: ArchServices): void {
  provide(container, PkeyRegister, services.pkeyRegister);
  provide(container, PageTableFormat, services.pageTableFormat);
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
