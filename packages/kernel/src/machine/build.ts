import { provide, resolve } from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import {
  AddressSpaces,
  CpuFactory,
  Cpus,
  Exceptions,
  ExtensionPoints,
  InitPhases,
  Kpkeys,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
  PgtableArch,
  PhysicalMemory,
  SetMemory,
  StaticKeys,
  StaticTablePages,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Cpu, DependencyContainer } from "@kpkeys/core/contracts";
import { boot } from "../boot/boot.js";
import type { BootProgress } from "../boot/boot.js";
import { KernelImage } from "../boot/image.js";
import { placeInitCred } from "../boot/init-cred.js";
import { LinearMapping } from "../boot/linear-map.js";
import { BootMappings } from "../boot/mappings.js";
import { Memblock } from "../boot/memblock.js";
import type { KernelExceptions } from "../entry/exceptions.js";
import type { Machine } from "./machine.js";
import { BootedMachine } from "./booted.js";
import { provideKernel, provideTasks } from "./services.js";
import { InitialPkeyRegister, Policies } from "./tokens.js";
import type { Addresses } from "../mm/addresses.js";
import type { BuddyAllocator } from "../mm/buddy.js";
import type { KernelSetMemory } from "../mm/set-memory.js";
import { LinearSplit } from "../mm/split.js";
import { TableMemory } from "../mm/table-memory.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import { outOfMemory } from "./out-of-memory.js";
import { readPolicies } from "./policies.js";
import type { KernelTasks } from "../process/tasks.js";
import { setUpPlugins } from "./set-up.js";
import { checkSpec } from "./spec.js";
import type { MachineSpec } from "./spec.js";

/** IRQ_STACK_SIZE, 16 KiB on both architectures, or a page where that is larger. */
const IRQ_STACK_BYTES = 16384;

/**
 * Makes a machine from its specification, in its own container, boots it and freezes it.
 *
 * @param spec - its specification
 * @param registry - the plugins that it may name
 * @returns the machine, booted
 * @throws KpkeysError ERR_SPEC, ERR_OUT_OF_MEMORY, and what setting up plugins throws
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
  const tasks = bootKernel(container, spec);
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

/** What is there before the kernel runs: CPUs, the image in RAM, and the values that the specification decides. */
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

/** Boots with the services as they are now. @returns the tasks */
function bootKernel(container: DependencyContainer, spec: MachineSpec): KernelTasks {
  const policies = resolve(container, Policies);
  const cpus = resolve(container, Cpus);
  const format = resolve(container, PageTableFormat);
  const exceptions = container.resolve<KernelExceptions>(Exceptions);
  const vmalloc = resolve(container, Vmalloc);
  let tasks: KernelTasks | undefined;

  /** `init_irq_stacks`: after vmalloc, before a second CPU runs. */
  function initIrqStacks(): void {
    if (policies.irqStacks !== "vmap") return;
    for (const { id } of cpus.all) {
      const stack = vmalloc.alloc(Math.ceil(IRQ_STACK_BYTES / 2 ** format.geometry.pageShift));
      if (stack === undefined) throw outOfMemory("the IRQ stack of a CPU");
      exceptions.setIrqStack(id, stack);
    }
  }

  boot({
    format,
    tables: resolve(container, PageTables),
    memblock: container.resolve(Memblock),
    addresses: container.resolve<Addresses>(LinearMap),
    image: container.resolve(KernelImage),
    linearMapping: container.resolve(LinearMapping),
    mappings: container.resolve(BootMappings),
    cpus,
    tableMemory: container.resolve(TableMemory),
    buddy: container.resolve<BuddyAllocator>(PageAllocator),
    setMemory: container.resolve<KernelSetMemory>(SetMemory),
    split: container.resolve(LinearSplit),
    tlb: container.resolve(TlbFlush),
    extensions: resolve(container, ExtensionPoints),
    progress: container.resolve<BootProgress>(InitPhases),
    pkeyRegister: resolve(container, InitialPkeyRegister),
    initIrqStacks,
    startTasks: () => {
      tasks = provideTasks(container);
    },
    rodata: spec.boot.rodata !== "off",
  });
  return tasks!;
}
