import { inject, injectable, writePkeyValue } from "@kpkeys/core";
import {
  BootParameters,
  Cpus,
  Exceptions,
  ExtensionPoints,
  INIT_PHASES,
  InitPhases,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  PageTables,
  toAsid,
} from "@kpkeys/core/contracts";
import type { Cpu, InitPhase, PkeyValue } from "@kpkeys/core/contracts";
import type { KernelExceptions } from "../entry/exceptions.js";
import { runOn } from "../machine/cpus.js";
import { InitialPkeyRegister } from "../machine/tokens.js";
import type { Addresses } from "../mm/addresses.js";
import type { BuddyAllocator } from "../mm/buddy.js";
import { LeafChanges } from "../mm/leaf-changes.js";
import { LinearSplit } from "../mm/split.js";
import { TableMemory } from "../mm/table-memory.js";
import type { KernelTasks } from "../process/tasks.js";
import { KernelImage } from "./image.js";
import { LinearMapping } from "./linear-map.js";
import { BootMappings } from "./mappings.js";
import { Memblock } from "./memblock.js";

/** The current phase of boot. Features are notified when a phase begins. */
@injectable()
export class BootProgress implements InitPhases {
  current: InitPhase | undefined = undefined;
  done = false;
  private readonly handlers: readonly ((phase: InitPhase) => void)[];

  constructor(@inject(ExtensionPoints) extensions: ExtensionPoints) {
    this.handlers = extensions.handlers("initPhase");
  }

  /** Begins a phase. @param phase - the phase after the current one */
  begin(phase: InitPhase): void {
    this.current = phase;
    this.done = phase === INIT_PHASES.at(-1);
    for (const handler of this.handlers) handler(phase);
  }
}

/** Boots a machine. Each phase writes page tables at the address that Linux uses at that time. */
@injectable()
export class Boot {
  constructor(
    @inject(InitPhases) private readonly progress: BootProgress,
    @inject(BootParameters) private readonly parameters: BootParameters,
    @inject(InitialPkeyRegister) private readonly pkeyRegister: PkeyValue,
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(ExtensionPoints) private readonly extensions: ExtensionPoints,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(Memblock) private readonly memblock: Memblock,
    @inject(PageAllocator) private readonly buddy: BuddyAllocator,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(TableMemory) private readonly tableMemory: TableMemory,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(LinearMapping) private readonly linearMapping: LinearMapping,
    @inject(BootMappings) private readonly mappings: BootMappings,
    @inject(LeafChanges) private readonly leaves: LeafChanges,
    @inject(LinearSplit) private readonly split: LinearSplit,
    @inject(Exceptions) private readonly exceptions: KernelExceptions,
  ) {}

  /**
   * Runs all phases, in the order of `start_kernel()`. A phase without work only notifies the features.
   * @param startTasks - makes the tasks
   * @returns the tasks
   */
  run(startTasks: () => KernelTasks): KernelTasks {
    let tasks: KernelTasks | undefined;
    this.startBootCpu();
    for (const phase of INIT_PHASES) {
      this.progress.begin(phase);
      if (phase === "tasks") tasks = startTasks();
      else this.runPhase(phase);
    }
    return tasks!;
  }

  /** The work of a phase, after the features were notified. */
  private runPhase(phase: InitPhase): void {
    switch (phase) {
      case "linear-map":
        this.linearMapping.mapAll();
        this.image.checkPools();
        this.tableMemory.useAddressing("linear");
        break;
      case "vmemmap":
        this.mappings.mapVmemmap();
        break;
      case "smp_prepare_boot_cpu":
        for (const [start, end] of this.memblock.free()) this.buddy.addRange(start, end);
        break;
      case "mem_init":
        this.mappings.preallocateVmallocTables();
        this.exceptions.initIrqStacks();
        break;
      case "smp":
        this.startOtherCpus();
        this.split.allowed = true;
        break;
      case "mark_rodata_ro":
        if (this.parameters.rodata !== "off") this.markRodataReadOnly();
    }
  }

  /** Before the first phase: static tables map the image, and the boot CPU turns translation on. */
  private startBootCpu(): void {
    this.memblock.reserve(this.image.pfn, this.image.pages);
    this.mappings.mapImageAndFixmap();
    this.startCpu(this.cpus.current);
    this.tableMemory.useAddressing("early");
  }

  private startOtherCpus(): void {
    const { cpus } = this;
    const bootCpu = cpus.current;
    for (const cpu of cpus.all.slice(1)) {
      runOn(cpus, cpu);
      this.startCpu(cpu);
    }
    runOn(cpus, bootCpu);
  }

  /** Turns translation on and writes the initial value of the key register. */
  private startCpu(cpu: Cpu): void {
    const { root } = this.tables;
    cpu.mmu.setKernelRoot(root);
    cpu.mmu.setUserRoot(this.format.geometry.splitRoots ? undefined : root, toAsid(0));
    cpu.mmu.enabled = true;
    writePkeyValue(cpu, this.pkeyRegister);
    cpu.synchronise();
    for (const handler of this.extensions.handlers("cpuOnline")) handler(cpu.id);
  }

  /** `mark_rodata_ro`: rodata in the image's mapping, text and rodata in the linear map. */
  private markRodataReadOnly(): void {
    const { image, addresses, leaves } = this;
    const { ro } = this.format.attributes;
    for (const { name, pfn, pages } of image.sections) {
      if (name === "data") continue;
      for (const page of [addresses.imagePageOf(pfn), addresses.pageOf(pfn)]) leaves.changeAndFlush(page, pages, ro);
    }
  }
}
