import { provide, resolve } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import {
  AddressSpaces,
  CpuFactory,
  Cpus,
  Kpkeys,
  PageTables,
  PgtableArch,
  PhysicalMemory,
  SetMemory,
  StaticKeys,
  StaticTablePages,
} from "@kpkeys/core/contracts";
import type { Cpu, DependencyContainer } from "@kpkeys/core/contracts";
import { Boot } from "../boot/boot.js";
import { KernelImage } from "../boot/image.js";
import { placeInitCred } from "../boot/init-cred.js";
import type { Machine } from "./machine.js";
import { BootedMachine } from "./booted.js";
import { provideKernel, provideTasks } from "./services.js";
import { InitialPkeyRegister, Policies } from "./tokens.js";
import type { KernelSetMemory } from "../mm/set-memory.js";
import { readPolicies } from "./policies.js";
import { setUpPlugins } from "./set-up.js";
import { checkSpec } from "./spec.js";
import type { MachineSpec } from "./spec.js";

/**
 * Builds a machine in its own container, boots it and freezes it.
 *
 * @param spec - the specification
 * @param registry - the plugins that the specification can name
 * @returns the booted machine
 * @throws KpkeysError ERR_SPEC, ERR_OUT_OF_MEMORY, and the errors of plugin setup
 */
export function buildMachine(spec: MachineSpec, registry: PluginRegistry): Machine {
  checkSpec(spec);
  const container = setUpPlugins(spec, registry);
  providePlatform(container, spec);
  provideKernel(container);
  const kernel = {
    cpus: resolve(container, Cpus),
    spaces: resolve(container, AddressSpaces),
    tables: resolve(container, PageTables),
    setMemory: container.resolve<KernelSetMemory>(SetMemory),
  };
  const tasks = container.resolve(Boot).run(() => provideTasks(container));
  resolve(container, StaticKeys).freeze();
  return new BootedMachine(spec, container, { ...kernel, tasks });
}

/** The CPUs of one machine; the boot CPU runs first. */
class MachineCpus implements Cpus {
  current: Cpu;

  constructor(readonly all: readonly Cpu[]) {
    this.current = all[0]!;
  }
}

/** Provides the CPUs, the image in RAM and the values of the specification, before the kernel runs. */
function providePlatform(container: DependencyContainer, spec: MachineSpec): void {
  const memory = resolve(container, PhysicalMemory);
  const factory = resolve(container, CpuFactory);
  const all = Array.from({ length: spec.cpus }, (_, id) => factory.create(id));
  const image = new KernelImage(resolve(container, PgtableArch), memory);
  placeInitCred(memory, image.initCredPfn);
  provide(container, Cpus, new MachineCpus(all));
  provide(container, StaticTablePages, image);
  container.registerInstance(KernelImage, image);
  provide(container, Policies, readPolicies(spec.kernel));
  provide(container, InitialPkeyRegister, resolve(container, Kpkeys).initialValue());
}
