import {
  createContainer,
  createPluginRegistry,
  once,
  orPkeyValues,
  pkeyValueOf,
  provide,
  registerFramework,
  resolve,
  writePkeyValue,
} from "@kpkeys/core";
import {
  ArchTools,
  CpuFactory,
  Cpus,
  FrameKeys,
  Kpkeys,
  KpkeysArch,
  OK,
  PageKeys,
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
  PkeyValue,
  Plugin,
  PluginOptions,
  Protection,
  ProtectionName,
  Rights,
  Words,
} from "@kpkeys/core/contracts";
import { createPhysicalMemory, TableBuilder, toWords } from "@kpkeys/core/machine";
import type { EntryPlace } from "@kpkeys/core/machine";
import { withDependencies } from "./plugins.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The key that the kit manages if the architecture assigns no number to a key. */
    CONFORMANCE: true;
  }
  interface KpkeysContexts {
    /** The kit's context that grants read-write on its key. */
    CONFORMANCE: true;
    /** The kit's context that grants no rights on its key. */
    CONFORMANCE_NONE: true;
  }
}

/** Pages of RAM: enough for a leaf of the second level of most architectures. */
const RAM_PAGES = 2 ** 20;
/** Pages that can have content. */
const CONTENT_PAGES = 2 ** 10;
/** Pages at the start of RAM that are reserved for tables. */
const TABLE_PAGES = 512;

/**
 * A machine of an architecture without a kernel: RAM, two CPUs and the framework. One key other than the default key is managed.
 * Translation is enabled, with empty tables.
 */
export class Bench {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The CPUs. The first one is current. */
  readonly cpus: Cpus;
  /** The first CPU. */
  readonly cpu: Cpu;
  /** The layout of the key register. */
  readonly register: PkeyRegister;
  /** The numbers of all keys. */
  readonly keys: readonly number[];
  /** The codec. */
  readonly format: PageTableFormat;
  /** The keys of pages. */
  readonly pageKeys: PageKeys;
  /** The keys of frames, if keys are kept with them. */
  readonly frameKeys: FrameKeys | undefined;
  /** The last level of the tables. */
  readonly lastLevel: number;
  /** The layout of the address space. */
  readonly pgtable: PgtableArch;
  /** The architecture's part of kpkeys. */
  readonly arch: KpkeysArch;
  /** The architecture's tools. */
  readonly tools: ArchTools;
  /** The kpkeys API, frozen. */
  readonly kpkeys: Kpkeys;
  /** The protected objects: none. */
  readonly objects: ProtectedObjects;
  /** Number of the managed key. */
  readonly managed: number;
  /** First page-frame number after the tables, aligned to the largest block that fits into a quarter of RAM. */
  readonly dataPfn: number;
  /** The value of the key register that allows everything. */
  readonly open: PkeyValue;
  private readonly tables: TableBuilder;

  /**
   * @param plugin - the architecture
   * @param options - its options
   * @throws the errors of its set-up
   */
  constructor(plugin: Plugin, options: PluginOptions = {}) {
    const container = setUp(plugin, options);
    this.kpkeys = resolve(container, Kpkeys);
    this.arch = resolve(container, KpkeysArch);
    this.managed = manageKey(this.kpkeys, this.arch);
    const factory = resolve(container, CpuFactory);
    this.cpu = factory.create(0);
    this.cpus = { all: [this.cpu, factory.create(1)], current: this.cpu };
    provide(container, Cpus, this.cpus);

    this.memory = resolve(container, PhysicalMemory);
    this.register = resolve(container, PkeyRegister);
    this.keys = Array.from({ length: this.register.keys }, (_, key) => key);
    this.format = resolve(container, PageTableFormat);
    this.pageKeys = resolve(container, PageKeys);
    this.frameKeys = container.isRegistered(FrameKeys, true) ? resolve(container, FrameKeys) : undefined;
    this.lastLevel = this.format.geometry.levels.length - 1;
    this.pgtable = resolve(container, PgtableArch);
    this.tools = resolve(container, ArchTools);
    this.objects = resolve(container, ProtectedObjects);
    this.dataPfn = firstDataPfn(this.memory, this.format);
    this.tables = new TableBuilder(this.memory, this.format, this.pgtable.layout.userEnd, TABLE_PAGES);
    for (const each of this.cpus.all) this.tables.enable(each);
    this.open = this.value(this.keys.map(() => "rwx"));
    this.setRegister(this.open);
  }

  /** Allocates an empty top-level table that no CPU uses. @returns its page-frame number */
  newRoot(): Pfn {
    return this.tables.allocate();
  }

  /**
   * Writes the entry that translates an address at a level, and allocates the tables above it. Invalidates no translation.
   * @param address - 64 bits; addresses below `layout.userEnd` are user addresses
   * @param level - the level of the entry
   * @param entry - the entry
   * @param root - the top-level table. Default: the current one
   */
  put(address: bigint, level: number, entry: Words, root?: Pfn): EntryPlace {
    return this.tables.put(address, level, entry, root);
  }

  /**
   * Makes a leaf whose pages have a key. If keys are kept with frames, their keys are set.
   * @param level - its level
   * @param pfn - page-frame number
   * @param protection - its attributes
   * @param pkey - its key
   */
  leaf(level: number, pfn: number, protection: Protection, pkey = 0): Words {
    const { levels, pageShift } = this.format.geometry;
    const frames = [{ pfn: toPfn(pfn), pages: 2 ** (levels[level]!.shift - pageShift) }];
    this.pageKeys.set(frames, toPkey(pkey), () => 0);
    return this.pageKeys.withKey(this.format.makeLeaf(toLevel(level), toPfn(pfn), protection), toPkey(pkey));
  }

  /**
   * Maps the first data page at an address by a leaf of the last level.
   * @param address - 64 bits
   * @param protection - Linux's name of the protection
   * @param pkey - its key
   */
  mapPage(address: bigint, protection: ProtectionName, pkey = 0): EntryPlace {
    return this.put(
      address,
      this.lastLevel,
      this.leaf(this.lastLevel, this.dataPfn, this.format.protections[protection], pkey),
    );
  }

  /**
   * The value of the key register that grants rights.
   * @param rights - rights of each key, from key 0 on; further keys have the rights of unused keys
   */
  value(rights: readonly Rights[]): PkeyValue {
    const fields = this.keys.map((key) => this.register.field(key, rights[key] ?? this.register.unused));
    return fields.reduce(orPkeyValues);
  }

  /**
   * Writes the key register of the first CPU and synchronises.
   * @param value - its value
   */
  setRegister(value: PkeyValue): void {
    writePkeyValue(this.cpu, value);
    this.cpu.synchronise();
  }

  /** The value of the key register of the current CPU. */
  registerNow(): PkeyValue {
    return pkeyValueOf(this.cpus.current);
  }

  /**
   * Makes an access on the first CPU.
   * @param address - 64 bits
   * @param access - the kind of access
   * @param privilege - the privilege of the access
   * @returns the kind of the fault; `undefined` if the access succeeds
   */
  attempt(address: bigint, access: Access, privilege: Privilege = Privilege.KERNEL): FaultKind | undefined {
    const { high, low } = toWords(address);
    return this.cpu.access(high, low, access, privilege) === OK ? undefined : this.cpu.fault.kind;
  }
}

/** A container with RAM, the framework and the architecture. */
function setUp(plugin: Plugin, options: PluginOptions): DependencyContainer {
  const container = createContainer();
  registerFramework(container);
  container.register(PhysicalMemory, {
    useFactory: once(() => {
      const { geometry } = resolve(container, PageTableFormat);
      const firstPfn = resolve(container, PgtableArch).layout.ramBase / 2 ** geometry.pageShift;
      return createPhysicalMemory([{ firstPfn: toPfn(firstPfn), pages: RAM_PAGES }], {
        ...geometry,
        reservePages: CONTENT_PAGES,
      });
    }),
  });
  createPluginRegistry(withDependencies([plugin])).setUp(container, plugin.id, [], { [plugin.id]: options });
  return container;
}

/**
 * Registers one key and freezes the API. An architecture with few keys may assign numbers to all of them, so a key with a number is
 * used if there is one.
 * @returns the key's number
 */
function manageKey(kpkeys: Kpkeys, { pkeyNumbers }: KpkeysArch): number {
  const numbered = Object.keys(pkeyNumbers).find((name) => name !== "DEFAULT");
  const name = (numbered ?? "CONFORMANCE") as PkeyName;
  const managed = kpkeys.registerPkey(name);
  kpkeys.defineContext("CONFORMANCE", { [name]: "rw" });
  kpkeys.defineContext("CONFORMANCE_NONE", { [name]: "none" });
  kpkeys.freeze();
  return managed;
}

/** The first page after the tables that is aligned to the largest block that fits into a quarter of RAM. */
function firstDataPfn({ firstPfn }: PhysicalMemory, { geometry }: PageTableFormat): number {
  const { levels, pageShift } = geometry;
  const sizes = levels.map(({ shift }) => 2 ** (shift - pageShift)).filter((pages) => pages <= RAM_PAGES / 4);
  const largest = Math.max(...sizes);
  return Math.ceil((firstPfn + TABLE_PAGES) / largest) * largest;
}
