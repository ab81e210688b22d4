import { provideClass, resolve } from "@kpkeys/core";
import type { DependencyContainer, InjectionToken } from "@kpkeys/core";
import {
  AddressSpaces,
  CpuPower,
  Creds,
  EarlyMemory,
  Exceptions,
  InitPhases,
  KernelMemory,
  KeyRegisters,
  LazyMmu,
  LinearMap,
  PageAllocator,
  PageTables,
  PhysicalMemory,
  Rcu,
  SetMemory,
  SlabAllocator,
  Tasks,
  Vmalloc,
} from "@kpkeys/core/contracts";
import { BootMemory } from "../boot/boot-memory.js";
import { BootProgress } from "../boot/boot.js";
import { LinearMapping } from "../boot/linear-map.js";
import { BootMappings } from "../boot/mappings.js";
import { Memblock } from "../boot/memblock.js";
import { KernelCpuPower } from "../entry/cpu-power.js";
import { CredObjects } from "../process/cred.js";
import { CurrentCreds } from "../process/current-creds.js";
import { CredLife } from "../process/task-creds.js";
import { TaskLife } from "../process/task-life.js";
import { ExceptionEntry } from "../entry/exception-entry.js";
import { KernelExceptions } from "../entry/exceptions.js";
import { KernelFaults } from "../entry/kernel-fault.js";
import { SavedKeyRegisters } from "../entry/key-registers.js";
import { Addresses } from "../mm/addresses.js";
import { BuddyTables } from "../mm/buddy-tables.js";
import { BuddyAllocator } from "../mm/buddy.js";
import { Fixmap } from "../mm/fixmap.js";
import { LinearMemory } from "../mm/kernel-memory.js";
import { KernelLazyMmu } from "../mm/lazy-mmu.js";
import { KeyChanges } from "../mm/key-changes.js";
import { LeafChanges } from "../mm/leaf-changes.js";
import { LeafRuns } from "../mm/leaf-runs.js";
import { LeafWalk } from "../mm/leaf-walk.js";
import { KernelPageTables } from "../mm/set-pte.js";
import { Populate } from "../mm/populate.js";
import { Sections } from "../mm/sections.js";
import { ResetPermissions } from "../mm/reset-permissions.js";
import { KernelSetMemory } from "../mm/set-memory.js";
import { LinearSplit } from "../mm/split.js";
import { SwappedTableMemory } from "../mm/swapped-table-memory.js";
import { TableMemory } from "../mm/table-memory.js";
import { TablePages } from "../mm/table-pages.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import { KernelVmalloc } from "../mm/vmalloc.js";
import { ActiveMm } from "../process/active-mm.js";
import { KernelAddressSpaces } from "../process/address-spaces.js";
import { Asids } from "../process/asids.js";
import { FaultHandler } from "../process/fault.js";
import { Fork } from "../process/fork.js";
import { UserFrames } from "../process/frames.js";
import { Madvise } from "../process/madvise.js";
import { Mlock } from "../process/mlock.js";
import { Mprotect } from "../process/mprotect.js";
import { Mremap } from "../process/mremap.js";
import { PgdCache } from "../process/pgd-cache.js";
import { KernelTasks } from "../process/tasks.js";
import { Unmap } from "../process/unmap.js";
import { UserTables } from "../process/user-tables.js";
import { KernelRcu } from "../process/rcu.js";
import { KernelSlabAllocator } from "../slab/slab-allocator.js";
import { SlabPages } from "../slab/slab-pages.js";

/** A service: its token (of a contract, or its class) and its class. */
type Service = readonly [token: InjectionToken, service: new (...dependencies: never[]) => unknown];

/** The class of each contract that the kernel implements. */
const CONTRACTS: readonly Service[] = [
  [LinearMap, Addresses],
  [PageAllocator, BuddyAllocator],
  [EarlyMemory, BootMemory],
  [LazyMmu, KernelLazyMmu],
  [PageTables, KernelPageTables],
  [Vmalloc, KernelVmalloc],
  [SetMemory, KernelSetMemory],
  [Exceptions, KernelExceptions],
  [KeyRegisters, SavedKeyRegisters],
  [AddressSpaces, KernelAddressSpaces],
  [InitPhases, BootProgress],
  [KernelMemory, LinearMemory],
  [SlabAllocator, KernelSlabAllocator],
  [Rcu, KernelRcu],
];

/** Services that only the kernel uses, injected by class. */
const INTERNAL: readonly (new (...dependencies: never[]) => unknown)[] = [
  ...[
    Memblock,
    TlbFlush,
    ExceptionEntry,
    KernelFaults,
    TableMemory,
    BuddyTables,
    TablePages,
    Fixmap,
    Sections,
    Populate,
  ],
  ...[
    LeafWalk,
    LeafRuns,
    LinearSplit,
    LeafChanges,
    ResetPermissions,
    KeyChanges,
    UserFrames,
    PgdCache,
    UserTables,
    Unmap,
    FaultHandler,
    Fork,
    Mprotect,
    Mremap,
    Madvise,
    Mlock,
    Asids,
  ],
  ...[ActiveMm, SlabPages, CredObjects, CredLife, TaskLife, LinearMapping, BootMappings],
];

/** Services that boot makes in phase `tasks`. */
const WITH_TASKS: readonly Service[] = [
  [Tasks, KernelTasks],
  [Creds, CurrentCreds],
  [CpuPower, KernelCpuPower],
];

/**
 * Registers and makes the kernel's services. They are made before boot: if a feature replaces a service during boot, the kernel
 * keeps the original.
 * @param container - the machine's container, with the architecture, RAM, CPUs and the values of `tokens.ts`
 */
export function provideKernel(container: DependencyContainer): void {
  const services: readonly Service[] = [...CONTRACTS, ...INTERNAL.map((service): Service => [service, service])];
  for (const [token, service] of services) provideClass(container, token, service);
  const { byteOrder, entryByteOrder } = resolve(container, PhysicalMemory);
  if (byteOrder !== entryByteOrder) provideClass(container, TableMemory, SwappedTableMemory);
  for (const [token] of services) container.resolve(token);
  // A cycle: the setters map the fixmap, and write early tables through it.
  container.resolve(TableMemory).attachFixmap(container.resolve(Fixmap));
}

/**
 * `fork_init`: registers and makes the tasks and the services that depend on them.
 * @param container - the machine's container
 * @returns the tasks
 */
export function provideTasks(container: DependencyContainer): KernelTasks {
  const exceptions = container.resolve<KernelExceptions>(Exceptions);
  const keyRegisters = container.resolve<SavedKeyRegisters>(KeyRegisters);
  const rcu = container.resolve<KernelRcu>(Rcu);
  for (const [token, service] of WITH_TASKS) provideClass(container, token, service);
  const tasks = container.resolve<KernelTasks>(Tasks);
  for (const service of [exceptions, keyRegisters, rcu]) service.attachTasks(tasks);
  for (const [token] of WITH_TASKS) container.resolve(token);
  return tasks;
}
