import { KpkeysError, provide, resolve } from "@kpkeys/core";
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
import { mebibytes, TooSmall } from "./errors.js";
import type { Machine } from "./machine.js";
import { BootedMachine } from "./booted.js";
import { provideKernel, provideTasks } from "./services.js";
import { InitialPkeyRegister, Policies } from "./tokens.js";
import type { KernelSetMemory } from "../mm/set-memory.js";
import { readPolicies } from "./policies.js";
import { setUpPlugins } from "./set-up.js";
import { BANK_ALIGNMENT, checkSpec } from "./spec.js";
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
  try {
    return boot(spec, registry);
  } catch (error) {
    throw error instanceof TooSmall ? withSmallestMemory(error, spec, registry) : error;
  }
}

function boot(spec: MachineSpec, registry: PluginRegistry): Machine {
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

/** The largest memory that is tried, in bytes. */
const MOST_TRIED = 256 * 2 ** 20;

/** The error with the smallest memory with which the machine boots, found by booting it with more and more; the error itself if there is none. */
function withSmallestMemory(error: TooSmall, spec: MachineSpec, registry: PluginRegistry): KpkeysError {
  const last = spec.memory.at(-1)!;
  let total = spec.memory.reduce((sum, { bytes }) => sum + bytes, 0);
  for (let { bytes } = last; total < MOST_TRIED; total += BANK_ALIGNMENT) {
    bytes += BANK_ALIGNMENT;
    if (!boots({ ...spec, memory: [...spec.memory.slice(0, -1), { ...last, bytes }] }, registry)) continue;
    const advice = `use at least ${mebibytes(total + BANK_ALIGNMENT)} of memory`;
    return new KpkeysError(error.code, error.description, { advice, cause: error });
  }
  return error;
}

function boots(spec: MachineSpec, registry: PluginRegistry): boolean {
  try {
    boot(spec, registry);
    return true;
  } catch {
    return false;
  }
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
