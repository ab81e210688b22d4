import { provide, provideClass, resolve } from "@kpkeys/core";
import type { InjectionToken, PluginRegistry } from "@kpkeys/core";
import {
  AddressSpaces,
  CpuFactory,
  CpuPower,
  Cpus,
  Creds,
  EarlyMemory,
  Exceptions,
  ExtensionPoints,
  InitPhases,
  KernelMemory,
  KeyRegisters,
  Kpkeys,
  KpkeysArch,
  LazyMmu,
  LinearMap,
  Observer,
  PageAllocator,
  PageTableFormat,
  PageTables,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
  ProtectedObjects,
  Rcu,
  SetMemory,
  SlabAllocator,
  StaticKeys,
  StaticTablePages,
  Tasks,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Token } from "@kpkeys/core/contracts";
import { boot, BootProgress } from "./boot/boot.js";
import { BootMemory } from "./boot/boot-memory.js";
import { KernelImage } from "./boot/image.js";
import { placeInitCred } from "./boot/init-cred.js";
import { LinearMapping } from "./boot/linear-map.js";
import { BootMappings } from "./boot/mappings.js";
import { Memblock } from "./boot/memblock.js";
import { KernelCpuPower } from "./cpu-power.js";
import { ExceptionEntry } from "./exception-entry.js";
import { KernelExceptions } from "./exceptions.js";
import { KernelFaults } from "./kernel-fault.js";
import { SavedKeyRegisters } from "./key-registers.js";
import { closingPkey } from "./coverage.js";
import { CredObjects } from "./cred/cred.js";
import { CurrentCreds } from "./cred/current-creds.js";
import { CredLife } from "./cred/task-creds.js";
import type { Machine, MachineCounters } from "./machine.js";
import { Addresses } from "./mm/addresses.js";
import { BuddyTables } from "./mm/buddy-tables.js";
import { BuddyAllocator } from "./mm/buddy.js";
import { Fixmap } from "./mm/fixmap.js";
import { KernelLazyMmu } from "./mm/lazy-mmu.js";
import { LeafRuns } from "./mm/leaf-runs.js";
import { LeafWalk } from "./mm/leaf-walk.js";
import { KernelPageTables } from "./mm/page-tables.js";
import { Populate } from "./mm/populate.js";
import { Sections } from "./mm/sections.js";
import { KernelSetMemory } from "./mm/set-memory.js";
import { LinearSplit } from "./mm/split.js";
import { TableMemory } from "./mm/table-memory.js";
import { TablePages } from "./mm/table-pages.js";
import { TlbFlush } from "./mm/tlb-flush.js";
import { KernelVmalloc } from "./mm/vmalloc.js";
import { LinearMemory } from "./mm/kernel-memory.js";
import { InitialPkeyRegister, Policies } from "./machine/tokens.js";
import { KernelRcu } from "./rcu.js";
import { KernelSlabAllocator } from "./slab/slab-allocator.js";
import { SlabPages } from "./slab/slab-pages.js";
import { ActiveMm } from "./process/active-mm.js";
import { KernelAddressSpaces } from "./process/address-spaces.js";
import { Asids } from "./process/asids.js";
import { FaultHandler } from "./process/fault.js";
import { Fork } from "./process/fork.js";
import { UserFrames } from "./process/frames.js";
import { Madvise } from "./process/madvise.js";
import { Mlock } from "./process/mlock.js";
import { Mprotect } from "./process/mprotect.js";
import { Mremap } from "./process/mremap.js";
import { KernelTasks } from "./process/tasks.js";
import { Unmap } from "./process/unmap.js";
import { UserTables } from "./process/user-tables.js";
import { outOfMemory } from "./out-of-memory.js";
import { readPolicies } from "./policies.js";
import { setUpPlugins } from "./set-up.js";
import { digestTables, findTables, scanObjects, scanTables } from "./scanner.js";
import { createTableWatch } from "./table-watch.js";
import { checkSpec } from "./spec.js";
import type { MachineSpec } from "./spec.js";
import { digestTranslations } from "./translations.js";

/** IRQ_STACK_SIZE, 16 KiB on both architectures, or a page where that is larger. */
const IRQ_STACK_BYTES = 16384;

/**
 * Makes a machine of its specification, in a container of its own, boots it and freezes it.
 *
 * @param spec - what it is made of
 * @param registry - the plugins that it may name
 * @param observer - told of its moments from the first table page on, if given; on a strict machine an access of an unsynchronised
 *   register ends the run instead
 * @returns the machine, booted
 * @throws KpkeysError ERR_SPEC, ERR_OUT_OF_MEMORY, and what setting up plugins throws
 */
export function buildMachine(spec: MachineSpec, registry: PluginRegistry, observer?: Observer): Machine {
  checkSpec(spec);
  const container = setUpPlugins(spec, registry, observer);
  const get = <T>(token: Token<T>): T => resolve(container, token);
  const offer = <T>(token: Token<T>, value: T): T => {
    provide(container, token, value);
    return value;
  };
  /** Registers a service and makes it now: a feature that replaces a service while the machine boots does not replace it in the kernel. */
  const serve = <T, S extends T>(token: InjectionToken<T>, service: new (...dependencies: never[]) => S): S => {
    provideClass<T>(container, token, service);
    return container.resolve<T>(token) as S;
  };

  const format = get(PageTableFormat);
  const { pageShift } = format.geometry;
  const arch = get(PgtableArch);
  const memory = get(PhysicalMemory);
  const extensions = get(ExtensionPoints);
  const kpkeys = get(Kpkeys);
  const watching = container.isRegistered(Observer, true) ? get(Observer) : undefined;
  const policies = offer(Policies, readPolicies(spec.kernel));
  const initial = offer(InitialPkeyRegister, kpkeys.initialValue());

  const factory = get(CpuFactory);
  const all = Array.from({ length: spec.cpus }, (_, id) => factory.create(id));
  const cpus = offer(Cpus, { all, current: all[0]! });

  const image = new KernelImage(arch, memory);
  container.registerInstance(KernelImage, image);
  offer(StaticTablePages, image);
  placeInitCred(memory, image.initCredPfn);
  const addresses = serve(LinearMap, Addresses);
  const memblock = serve(Memblock, Memblock);
  const buddy = serve(PageAllocator, BuddyAllocator);
  serve(EarlyMemory, BootMemory);
  const tlb = serve(TlbFlush, TlbFlush);
  const lazy = serve(LazyMmu, KernelLazyMmu);
  const exceptionEntry = serve(ExceptionEntry, ExceptionEntry);
  const faults = serve(KernelFaults, KernelFaults);

  const tableMemory = serve(TableMemory, TableMemory);
  serve(BuddyTables, BuddyTables);
  const tablePages = serve(TablePages, TablePages);
  const tables: PageTables = new KernelPageTables({
    root: image.root,
    memory: tableMemory,
    pages: tablePages,
    format,
    arch,
    extensions,
    lazy,
    faults,
  });
  offer(PageTables, tables);
  tableMemory.attachFixmap(serve(Fixmap, Fixmap));
  serve(Sections, Sections);
  serve(Populate, Populate);
  const vmalloc = serve(Vmalloc, KernelVmalloc);
  serve(LeafWalk, LeafWalk);
  serve(LeafRuns, LeafRuns);
  const split = serve(LinearSplit, LinearSplit);
  const setMemory = serve(SetMemory, KernelSetMemory);
  const exceptions = serve(Exceptions, KernelExceptions);
  const keyRegisters = serve(KeyRegisters, SavedKeyRegisters);

  serve(UserFrames, UserFrames);
  serve(UserTables, UserTables);
  serve(Unmap, Unmap);
  serve(FaultHandler, FaultHandler);
  serve(Fork, Fork);
  serve(Mprotect, Mprotect);
  serve(Mremap, Mremap);
  serve(Madvise, Madvise);
  serve(Mlock, Mlock);
  const spaces = serve(AddressSpaces, KernelAddressSpaces);
  serve(Asids, Asids);
  const activeMm = serve(ActiveMm, ActiveMm);
  const progress = new BootProgress(extensions);
  offer(InitPhases, progress);

  /** `init_irq_stacks`: after vmalloc, before a second CPU runs. */
  function initIrqStacks(): void {
    if (policies.irqStacks !== "vmap") return;
    for (const { id } of all) {
      const stack = vmalloc.alloc(Math.ceil(IRQ_STACK_BYTES / 2 ** pageShift));
      if (stack < 0) throw outOfMemory("the IRQ stack of a CPU");
      exceptions.setIrqStack(id, stack);
    }
  }

  serve(KernelMemory, LinearMemory);
  serve(SlabPages, SlabPages);
  serve(SlabAllocator, KernelSlabAllocator);
  const rcu = serve(Rcu, KernelRcu);

  serve(CredObjects, CredObjects);
  const creds = serve(CredLife, CredLife);

  let tasks: KernelTasks | undefined;
  function startTasks(): void {
    const register = get(PkeyRegister);
    tasks = new KernelTasks(cpus, spaces, activeMm, creds, lazy, rcu, extensions, register, policies, watching);
    offer(Tasks, tasks);
    for (const service of [exceptions, keyRegisters, rcu]) service.attachTasks(tasks);
    serve(Creds, CurrentCreds);
    serve(CpuPower, KernelCpuPower);
  }

  boot({
    format,
    tables,
    addresses,
    image,
    linearMapping: serve(LinearMapping, LinearMapping),
    mappings: serve(BootMappings, BootMappings),
    memblock,
    cpus,
    tableMemory,
    buddy,
    setMemory,
    split,
    tlb,
    extensions,
    progress,
    pkeyRegister: initial,
    initIrqStacks,
    startTasks,
    rodata: spec.boot.rodata !== "off",
  });
  get(StaticKeys).freeze();

  function counters(): MachineCounters {
    const { writes, total, barriers, tablesAllocated, tablesFreed } = tables.counters;
    return {
      tableWrites: total,
      writesBySetter: writes,
      registerWrites: all.reduce((sum, cpu) => sum + cpu.counters.pkeyRegisterWrites, 0),
      barriers: get(KpkeysArch).counters.barriers + tasks!.barriers + exceptionEntry.counters.barriers,
      setterBarriers: barriers,
      tlbInvalidations: tlb.invalidations,
      setMemoryPkeyCalls: setMemory.counters.pkeyCalls,
      setMemoryPkeyPages: setMemory.counters.pkeyPages,
      directMapCalls: setMemory.counters.directMapCalls,
      tablesAllocated,
      tablesFreed,
      contextSwitches: tasks!.switches,
      userFaults: spaces.faults,
    };
  }

  /** User roots come from the processes and from the CPUs, which may still use one that no process has. */
  function roots(): { kernel: number[]; user: number[] } {
    const { splitRoots } = format.geometry;
    const live = all.map((cpu) => cpu.mmu.userRoot).filter((root) => root >= 0 && root !== image.root);
    return {
      kernel: all.map((cpu) => (splitRoots ? cpu.mmu.kernelRoot : image.root)),
      user: [...live, ...[...spaces.all].map((mm) => mm.root)],
    };
  }

  return {
    spec,
    container,
    cpus,
    memory,
    levelNames: format.geometry.levels.map(({ name }) => name),
    get,
    counters,
    digestTables: () => digestTables(memory, findTables({ memory, format, roots: roots() })),
    digestTranslations: () =>
      digestTranslations({
        memory,
        format,
        roots: roots(),
        isLinear: (page) => addresses.pfnOf(page) >= 0,
      }),
    scan: () => scanTables({ memory, format, roots: roots() }, (pfn) => tables.sourceOf(pfn)),
    scanObjects: () =>
      scanObjects(
        { memory, format, roots: roots() },
        get(ProtectedObjects).claims.flatMap(({ objects }) => [...(objects?.() ?? [])]),
      ),
    watch: () => createTableWatch({ memory, format, roots }, closingPkey({ get })),
  };
}
