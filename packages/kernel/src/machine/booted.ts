import { resolve } from "@kpkeys/core";
import {
  KpkeysArch,
  LinearMap,
  PageKeys,
  PageTableFormat,
  PageTables,
  PhysicalMemory,
  ProtectedObjects,
} from "@kpkeys/core/contracts";
import type { AddressSpaces, Cpus, DependencyContainer, Token } from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import { closingPkey } from "../audit/coverage.js";
import { ExceptionEntry } from "../entry/exception-entry.js";
import type { Machine, MachineCounters } from "./machine.js";
import type { Addresses } from "../mm/addresses.js";
import type { KernelSetMemory } from "../mm/set-memory.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelTasks } from "../process/tasks.js";
import { declaredObjects } from "../audit/declared-objects.js";
import { digestTables, findTables, scanObjects, scanTables } from "../audit/scanner.js";
import type { ScanParts } from "../audit/table-scan.js";
import type { ScannedObject, ScannedTable } from "../audit/scanner.js";
import type { MachineSpec } from "./spec.js";
import { TableWatch } from "../audit/table-watch.js";
import { digestTranslations } from "../audit/translations.js";

/** Services for counters and scans. A feature may replace a service in the container; these are the kernel's originals. */
export interface KernelParts {
  /** The CPUs. */
  readonly cpus: Cpus;
  /** Address spaces. */
  readonly spaces: AddressSpaces;
  /** The tasks. */
  readonly tasks: KernelTasks;
  /** Page tables. */
  readonly tables: PageTables;
  /** Changes of kernel mappings. */
  readonly setMemory: KernelSetMemory;
}

/** A machine that has booted. */
export class BootedMachine implements Machine {
  readonly cpus: Cpus;
  readonly memory: PhysicalMemory;
  readonly levelNames: readonly string[];
  private readonly format: PageTableFormat;
  private readonly pageKeys: PageKeys;
  private readonly image: KernelImage;
  private readonly addresses: Addresses;
  private readonly exceptionEntry: ExceptionEntry;
  private readonly tlb: TlbFlush;

  /**
   * @param spec - the specification
   * @param container - the container of its services
   * @param kernel - the services with which it booted
   */
  constructor(
    readonly spec: MachineSpec,
    readonly container: DependencyContainer,
    private readonly kernel: KernelParts,
  ) {
    this.cpus = kernel.cpus;
    this.memory = resolve(container, PhysicalMemory);
    this.format = resolve(container, PageTableFormat);
    this.pageKeys = resolve(container, PageKeys);
    this.levelNames = this.format.geometry.levels.map(({ name }) => name);
    this.image = container.resolve(KernelImage);
    this.addresses = container.resolve<Addresses>(LinearMap);
    this.exceptionEntry = container.resolve(ExceptionEntry);
    this.tlb = container.resolve(TlbFlush);
  }

  get<T>(token: Token<T>): T {
    return resolve(this.container, token);
  }

  counters(): MachineCounters {
    const { tables, tasks, setMemory, spaces, cpus } = this.kernel;
    const { writes, total, barriers, tablesAllocated, tablesFreed } = tables.counters;
    return {
      tableWrites: total,
      writesBySetter: writes,
      registerWrites: cpus.all.reduce((sum, cpu) => sum + cpu.counters.pkeyRegisterWrites, 0),
      barriers: this.get(KpkeysArch).counters.barriers + tasks.barriers + this.exceptionEntry.counters.barriers,
      setterBarriers: barriers,
      tlbInvalidations: this.tlb.invalidations,
      setMemoryPkeyCalls: setMemory.counters.pkeyCalls,
      setMemoryPkeyPages: setMemory.counters.pkeyPages,
      directMapCalls: setMemory.counters.directMapCalls,
      tablesAllocated,
      tablesFreed,
      contextSwitches: tasks.switches,
      userFaults: spaces.faults,
    };
  }

  scan(): readonly ScannedTable[] {
    return scanTables(this.scanParts(), (pfn) => this.kernel.tables.sourceOf(pfn));
  }

  digestTables(): string {
    return digestTables(this.memory, findTables(this.scanParts()));
  }

  scanObjects(): readonly ScannedObject[] {
    const { claims } = this.get(ProtectedObjects);
    return scanObjects(this.scanParts(), declaredObjects(claims, this.memory));
  }

  digestTranslations(): string {
    return digestTranslations({ ...this.scanParts(), isLinear: (page) => this.addresses.pfnOf(page) !== undefined });
  }

  watch(): TableWatch {
    const { memory, format, pageKeys } = this;
    return new TableWatch({ memory, format, pageKeys, roots: () => this.roots() }, closingPkey(this));
  }

  private scanParts(): ScanParts {
    const { memory, format, pageKeys } = this;
    return { memory, format, pageKeys, roots: this.roots() };
  }

  /** Live roots. A CPU may use a user root that no process has. */
  private roots(): ScanParts["roots"] {
    const { cpus, spaces } = this.kernel;
    const { root } = this.image;
    const live = cpus.all.flatMap(({ mmu: { userRoot, userRootIndex } }) =>
      userRoot === undefined || userRoot === root ? [] : [{ table: userRoot, index: userRootIndex }],
    );
    return {
      kernel: cpus.all.map(({ mmu }) => ({
        table: this.format.geometry.splitRoots ? mmu.kernelRoot : root,
        index: 0,
      })),
      user: [...live, ...[...spaces.all].map((mm) => ({ table: mm.root, index: mm.rootIndex }))],
    };
  }
}
