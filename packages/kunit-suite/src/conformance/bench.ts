import { createContainer, createPluginRegistry, once, provide, registerFramework, resolve } from "@kpkeys/core";
import {
  applyChange,
  ArchTools,
  CpuFactory,
  Cpus,
  Kpkeys,
  KpkeysArch,
  OK,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
  Privilege,
  ProtectedObjects,
  toLevel,
  toPfn,
  toPkey,
} from "@kpkeys/core/contracts";
import type {
  Access,
  Cpu,
  DependencyContainer,
  FaultKind,
  Pfn,
  PkeyName,
  Plugin,
  PluginOptions,
  Protection,
  Rights,
  Words,
} from "@kpkeys/core/contracts";
import { createPhysicalMemory, TableBuilder, toWords } from "@kpkeys/core/machine";
import type { EntryPlace } from "@kpkeys/core/machine";
import { withDependencies } from "./plugins.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The key that the conformance kit has managed where an architecture numbers none itself. */
    CONFORMANCE: true;
  }
  interface KpkeysContexts {
    /** The conformance kit's context that gives its key read-write. */
    CONFORMANCE: true;
    /** The conformance kit's context that takes all rights from its key. */
    CONFORMANCE_NONE: true;
  }
}

/** Pages of RAM: enough for a block of the size that most architectures have at their second level. */
const RAM_PAGES = 2 ** 20;
/** Pages that may have content. */
const CONTENT_PAGES = 2 ** 10;
/** Pages at the start of RAM that tables come from. */
const TABLE_PAGES = 512;

/**
 * A machine of an architecture and nothing else: RAM, CPUs and the framework, no kernel. One key beside the default is managed;
 * translation is on, with empty tables.
 */
export interface Bench {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The CPUs, of which the first is current. */
  readonly cpus: Cpus;
  /** The first CPU. */
  readonly cpu: Cpu;
  /** The layout of the key register. */
  readonly register: PkeyRegister;
  /** The codec. */
  readonly format: PageTableFormat;
  /** The layout of the address space. */
  readonly pgtable: PgtableArch;
  /** The architecture's part of kpkeys. */
  readonly arch: KpkeysArch;
  /** The architecture's tools. */
  readonly tools: ArchTools;
  /** The kpkeys API, frozen. */
  readonly kpkeys: Kpkeys;
  /** What is protected: nothing. */
  readonly objects: ProtectedObjects;
  /** Number of the managed key. */
  readonly managed: number;
  /** First page-frame number behind the tables, aligned to any block that fits into RAM. */
  readonly dataPfn: number;
  /**
   * A fresh top-level table, which is not in use yet.
   * @returns its page-frame number
   */
  readonly newRoot: () => Pfn;
  /**
   * Puts an entry where it translates an address, and makes the tables above it. No translation is invalidated.
   * @param address - 64 bits; user addresses are those below `layout.userEnd`
   * @param level - the level of the table that it goes to
   * @param entry - the entry
   * @param root - the top-level table, if it is not the current one
   */
  readonly put: (address: bigint, level: number, entry: Words, root?: Pfn) => EntryPlace;
  /**
   * A leaf with a key.
   * @param level - the level that it is for
   * @param pfn - page-frame number
   * @param protection - its bits
   * @param pkey - its key; 0 if left out
   */
  readonly leaf: (level: number, pfn: number, protection: Protection, pkey?: number) => Words;
  /**
   * The value of the key register that gives keys rights.
   * @param rights - rights of each key, from key 0 on; keys beyond have those of unused ones
   */
  readonly value: (rights: readonly Rights[]) => Words;
  /** The value that allows everything. */
  readonly open: Words;
  /**
   * Writes the key register and synchronises.
   * @param value - its value
   */
  readonly setRegister: (value: Words) => void;
  /**
   * Makes an access.
   * @param address - 64 bits
   * @param access - what is done
   * @param privilege - on whose behalf; the kernel's if left out
   * @returns the kind of the fault; undefined when it went through
   */
  readonly attempt: (address: bigint, access: Access, privilege?: Privilege) => FaultKind | undefined;
}

/**
 * Makes a machine of an architecture without a kernel.
 *
 * @param plugin - the architecture
 * @param options - its options
 * @throws what setting it up throws
 */
export function createBench(plugin: Plugin, options: PluginOptions = {}): Bench {
  const container = setUp(plugin, options);
  const kpkeys = resolve(container, Kpkeys);
  const arch = resolve(container, KpkeysArch);
  const managed = manageKey(kpkeys, arch);
  const factory = resolve(container, CpuFactory);
  const cpu = factory.create(0);
  const cpus: Cpus = { all: [cpu, factory.create(1)], current: cpu };
  provide(container, Cpus, cpus);

  const memory = resolve(container, PhysicalMemory);
  const register = resolve(container, PkeyRegister);
  const format = resolve(container, PageTableFormat);
  const pgtable = resolve(container, PgtableArch);
  const tables = new TableBuilder(memory, format, pgtable.layout.userEnd, TABLE_PAGES);
  for (const each of cpus.all) tables.enable(each);

  const bench: Bench = {
    memory,
    cpus,
    cpu,
    register,
    format,
    pgtable,
    arch,
    tools: resolve(container, ArchTools),
    kpkeys,
    objects: resolve(container, ProtectedObjects),
    managed,
    dataPfn: firstDataPfn(memory, format),
    newRoot: () => tables.allocate(),
    put: (address, level, entry, root) => tables.put(address, level, entry, root),
    leaf: (level, pfn, protection, pkey = 0) => leafOf(format, level, pfn, protection, pkey),
    value: (rights) => registerValue(register, rights),
    open: registerValue(
      register,
      Array.from({ length: register.keys }, () => "rwx" as const),
    ),
    setRegister({ high, low }) {
      cpu.writePkeyRegister(high, low);
      cpu.synchronise();
    },
    attempt(address, access, privilege = Privilege.KERNEL) {
      const { high, low } = toWords(address);
      return cpu.access(high, low, access, privilege) === OK ? undefined : cpu.fault.kind;
    },
  };
  bench.setRegister(bench.open);
  return bench;
}

/** RAM, the framework and the architecture. */
function setUp(plugin: Plugin, options: PluginOptions): DependencyContainer {
  const container = createContainer();
  registerFramework(container);
  container.register(PhysicalMemory, {
    useFactory: once(() => {
      const { pageShift } = resolve(container, PageTableFormat).geometry;
      const firstPfn = resolve(container, PgtableArch).layout.ramBase / 2 ** pageShift;
      return createPhysicalMemory([{ firstPfn: toPfn(firstPfn), pages: RAM_PAGES }], {
        pageShift,
        reservePages: CONTENT_PAGES,
      });
    }),
  });
  createPluginRegistry(withDependencies([plugin])).setUp(container, plugin.id, [], { [plugin.id]: options });
  return container;
}

/** Has the kpkeys API manage one key, and freezes it. An architecture of few keys may have numbered them all. @returns the key's number */
function manageKey(kpkeys: Kpkeys, { pkeyNumbers }: KpkeysArch): number {
  const numbered = Object.keys(pkeyNumbers).find((name) => name !== "DEFAULT");
  const name = (numbered ?? "CONFORMANCE") as PkeyName;
  const managed = kpkeys.registerPkey(name);
  kpkeys.defineContext("CONFORMANCE", { [name]: "rw" });
  kpkeys.defineContext("CONFORMANCE_NONE", { [name]: "none" });
  kpkeys.freeze();
  return managed;
}

/** The first page behind the tables at which the largest block begins that fits into RAM. */
function firstDataPfn({ firstPfn }: PhysicalMemory, { geometry }: PageTableFormat): number {
  const { levels, pageShift } = geometry;
  const sizes = levels.map(({ shift }) => 2 ** (shift - pageShift)).filter((pages) => pages <= RAM_PAGES / 4);
  const largest = Math.max(...sizes);
  return Math.ceil((firstPfn + TABLE_PAGES) / largest) * largest;
}

function leafOf(format: PageTableFormat, level: number, pfn: number, protection: Protection, pkey: number): Words {
  const made = format.makeLeaf(toLevel(level), toPfn(pfn), protection);
  return pkey === 0 ? made : applyChange(made, format.pkeyChange(toPkey(pkey)));
}

function registerValue(register: PkeyRegister, rights: readonly Rights[]): Words {
  let [high, low] = [0, 0];
  for (let key = 0; key < register.keys; key++) {
    const field = register.field(key, rights[key] ?? register.unused);
    high |= field.high;
    low |= field.low;
  }
  return { high, low };
}
