import { inject, injectable } from "@kpkeys/core";
import { ExtensionPoints, INIT_PHASES, toAsid } from "@kpkeys/core/contracts";
import type { Cpu, Cpus, InitPhase, InitPhases, PageTableFormat, PageTables, Words } from "@kpkeys/core/contracts";
import { runOn } from "../machine/cpus.js";
import type { Addresses } from "../mm/addresses.js";
import type { BuddyAllocator } from "../mm/buddy.js";
import type { KernelSetMemory } from "../mm/set-memory.js";
import type { LinearSplit } from "../mm/split.js";
import type { TableMemory } from "../mm/table-memory.js";
import type { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelImage } from "./image.js";
import type { LinearMapping } from "./linear-map.js";
import type { BootMappings } from "./mappings.js";
import type { Memblock } from "./memblock.js";

/** The phase of boot, of which features are notified. */
@injectable()
export class BootProgress implements InitPhases {
  current: InitPhase | undefined = undefined;
  done = false;
  private readonly handlers: readonly ((phase: InitPhase) => void)[];

  constructor(@inject(ExtensionPoints) extensions: ExtensionPoints) {
    this.handlers = extensions.handlers("initPhase");
  }

  /** Begins a phase. @param phase - the one that follows the current one */
  begin(phase: InitPhase): void {
    this.current = phase;
    this.done = phase === INIT_PHASES.at(-1);
    for (const handler of this.handlers) handler(phase);
  }
}

/** What boot brings up. */
export interface BootParts {
  /** The codec. */
  readonly format: PageTableFormat;
  /** The setters. */
  readonly tables: PageTables;
  /** Address arithmetic. */
  readonly addresses: Addresses;
  /** The kernel image. */
  readonly image: KernelImage;
  /** Makes the linear map. */
  readonly linearMapping: LinearMapping;
  /** Makes the other mappings. */
  readonly mappings: BootMappings;
  /** The early allocator. */
  readonly memblock: Memblock;
  /** The CPUs, translation off. */
  readonly cpus: Cpus;
  /** The access path to table pages. */
  readonly tableMemory: TableMemory;
  /** The buddy allocator, empty. */
  readonly buddy: BuddyAllocator;
  /** Changes of kernel mappings. */
  readonly setMemory: KernelSetMemory;
  /** Splits blocks of the linear map. */
  readonly split: LinearSplit;
  /** Invalidation. */
  readonly tlb: TlbFlush;
  /** The features. */
  readonly extensions: ExtensionPoints;
  /** How far boot has come. */
  readonly progress: BootProgress;
  /** What the key register starts with. */
  readonly pkeyRegister: Words;
  /** Maps the stacks that interrupts run on. */
  readonly initIrqStacks: () => void;
  /** Makes the tasks. */
  readonly startTasks: () => void;
  /** Whether text and rodata become read-only. */
  readonly rodata: boolean;
}

/** Turns translation on and gives the key register its initial value. */
function startCpu(cpu: Cpu, { tables, pkeyRegister, format, extensions }: BootParts): void {
  cpu.mmu.setKernelRoot(tables.root);
  cpu.mmu.setUserRoot(format.geometry.splitRoots ? undefined : tables.root, toAsid(0));
  cpu.mmu.enabled = true;
  cpu.writePkeyRegister(pkeyRegister.high, pkeyRegister.low);
  cpu.synchronise();
  for (const handler of extensions.handlers("cpuOnline")) handler(cpu.id);
}

/** `mark_rodata_ro`: rodata in the image's own mapping, text and rodata in the linear map. */
function markRodataReadOnly({ image, addresses, format, setMemory, tlb }: BootParts): void {
  const { ro } = format.attributes;
  for (const { name, pfn, pages } of image.sections) {
    if (name === "data") continue;
    for (const page of [addresses.imagePageOf(pfn), addresses.pageOf(pfn)]) {
      setMemory.change(page, pages, ro);
      tlb.range(page, pages);
    }
  }
}

/** What a phase does after the features were notified that it begins. */
type PhaseWork = (parts: BootParts) => void;

/** Before the first phase: static tables map the image, and the boot CPU turns translation on. */
function startBootCpu(parts: BootParts): void {
  const { memblock, image, cpus, tableMemory, mappings } = parts;
  memblock.reserve(image.pfn, image.pages);
  mappings.mapImageAndFixmap();
  startCpu(cpus.current, parts);
  tableMemory.useAddressing("early");
}

function startOtherCpus(parts: BootParts): void {
  const { cpus } = parts;
  const bootCpu = cpus.current;
  for (const cpu of cpus.all.slice(1)) {
    runOn(cpus, cpu);
    startCpu(cpu, parts);
  }
  runOn(cpus, bootCpu);
}

/** The work of each phase, in the order of `start_kernel()`. A phase without work only notifies the features. */
const PHASE_WORK: Readonly<Partial<Record<InitPhase, PhaseWork>>> = {
  "linear-map": ({ linearMapping, tableMemory }) => {
    linearMapping.mapAll();
    tableMemory.useAddressing("linear");
  },
  vmemmap: ({ mappings }) => {
    mappings.mapVmemmap();
  },
  smp_prepare_boot_cpu: ({ memblock, buddy }) => {
    for (const [start, end] of memblock.free()) buddy.addRange(start, end);
  },
  mem_init: ({ mappings, initIrqStacks }) => {
    mappings.preallocateVmallocTables();
    initIrqStacks();
  },
  tasks: ({ startTasks }) => {
    startTasks();
  },
  smp: (parts) => {
    startOtherCpus(parts);
    parts.split.allowed = true;
  },
  mark_rodata_ro: (parts) => {
    if (parts.rodata) markRodataReadOnly(parts);
  },
};

/**
 * Boots, phase by phase. Each phase writes page tables at the address that Linux uses at that time.
 * @param parts - the services that boot needs
 */
export function boot(parts: BootParts): void {
  startBootCpu(parts);
  for (const phase of INIT_PHASES) {
    parts.progress.begin(phase);
    PHASE_WORK[phase]?.(parts);
  }
}
