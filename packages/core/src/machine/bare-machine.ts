import {
  applyChange,
  ArchTools,
  CpuFactory,
  Cpus,
  FaultKind,
  OK,
  PageKeys,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
  toLevel,
  toPfn,
  toPkey,
} from "../contracts/index.js";
import type {
  Cpu,
  NamedField,
  Pfn,
  PkeyValue,
  Plugin,
  PluginOptions,
  ProtectionName,
  Rights,
  Words,
} from "../contracts/index.js";
import { createContainer, provide, resolve } from "../di.js";
import { KpkeysError } from "../errors.js";
import { orPkeyValues, writePkeyValue } from "../pkey-value.js";
import { fromWords, hex, toWords } from "../words.js";
import { createPhysicalMemory } from "./physical-memory.js";
import { TableBuilder } from "./table-builder.js";

/** Pages of RAM. */
const RAM_PAGES = 1024;

/** A fault of a {@link BareMachine}, as a copy that later faults do not change. */
export interface BareFault {
  /** The name of the check that failed: `PKEY`, `PERMISSION`, `TRANSLATION`. */
  readonly kind: keyof typeof FaultKind;
  /** The address accessed. */
  readonly address: bigint;
  /** The level at which the walk ended, 0 being the top. */
  readonly level: number;
  /** The key of the leaf; 0 if the walk found none. */
  readonly pkey: number;
  /** The line with which Linux reports the fault: {@link ArchTools.describeFault}. */
  readonly text: string;
  /** The registers that report the fault: ESR_EL1, FAR_EL1 and POR_EL1; the #PF error code, CR2 and IA32_PKRS. */
  readonly registers: readonly NamedField[];
}

/**
 * An architecture without a kernel: 1,024 pages of RAM, one CPU with translation on, and empty page tables. Accesses are made in
 * kernel mode. An address has 64 bits and is not negative. The READMEs of the architecture packages have an example.
 */
export class BareMachine {
  /** The CPU. */
  readonly cpu: Cpu;
  private readonly memory: PhysicalMemory;
  private readonly format: PageTableFormat;
  private readonly pageKeys: PageKeys;
  private readonly register: PkeyRegister;
  private readonly tools: ArchTools;
  private readonly tables: TableBuilder;

  /**
   * Sets the architecture up and turns translation on. Key 0 allows everything, the other keys nothing.
   * @param arch - an architecture plugin
   * @param options - its options
   * @throws KpkeysError ERR_PLUGIN_ARCH for a feature; ERR_SPEC for an option that the plugin refuses
   */
  constructor(arch: Plugin, options: PluginOptions = {}) {
    if (arch.kind !== "arch") {
      throw new KpkeysError("ERR_PLUGIN_ARCH", `'${arch.id}' is a feature`, { expected: "an architecture plugin" });
    }
    const container = createContainer();
    arch.setup(container, options);
    this.format = resolve(container, PageTableFormat);
    this.pageKeys = resolve(container, PageKeys);
    this.register = resolve(container, PkeyRegister);
    this.tools = resolve(container, ArchTools);
    const { ramBase, userEnd } = resolve(container, PgtableArch).layout;
    const { pageShift } = this.format.geometry;
    const firstPfn = toPfn(ramBase / 2 ** pageShift);
    this.memory = createPhysicalMemory([{ firstPfn, pages: RAM_PAGES }], this.format.geometry);
    provide(container, PhysicalMemory, this.memory);
    this.cpu = resolve(container, CpuFactory).create(0);
    provide(container, Cpus, { all: [this.cpu], current: this.cpu });
    this.tables = new TableBuilder(this.memory, this.format, userEnd, RAM_PAGES);
    this.tables.enable(this.cpu);
    this.setRights({});
  }

  /**
   * Maps the page that holds an address, and invalidates its translation. The frame of a mapped page does not change;
   * protection and key are replaced.
   * @param address - an address in the page
   * @param protection - Linux's name of the protection
   * @param pkey - the key, 0 if left out
   * @returns the page-frame number
   * @throws KpkeysError ERR_API_MISUSE for an address that no table translates or a key that the architecture does not have;
   *   ERR_OUT_OF_MEMORY
   */
  map(address: bigint, protection: ProtectionName, pkey = 0): Pfn {
    const { memory, format } = this;
    const { high, low } = checkedWords(address, 1n);
    this.checkKey(pkey);
    const levels: number[] = [];
    this.cpu.mmu.walk(high, low, ({ level }) => void levels.push(level));
    if (levels.length === 0) throw misuse(`cannot map ${hex(address)}: no table translates it`, "a canonical address");
    const last = toLevel(format.geometry.levels.length - 1);
    const { table, index } = this.tables.place(address, last);
    const old = memory.readEntry(table, index);
    const pfn = format.isPresent(old.high, old.low) ? format.pfnOf(old.high, old.low) : this.tables.allocate();
    const leaf = format.makeLeaf(last, pfn, format.protections[protection]);
    memory.writeEntry(table, index, leaf);
    this.pageKeys.set([{ pfn, pages: 1 }], toPkey(pkey), (change) => {
      memory.writeEntry(table, index, applyChange(leaf, change));
      return 0;
    });
    this.cpu.mmu.invalidatePage(high, low);
    return pfn;
  }

  /**
   * Writes the key register and synchronises: MSR POR_EL1 and ISB; WRMSR IA32_PKRS.
   * @param rights - rights by key. Key 0 allows everything if left out; any other key that is left out allows nothing
   * @throws KpkeysError ERR_API_MISUSE for a key that the architecture does not have
   */
  setRights(rights: Readonly<Record<number, Rights>>): void {
    const { register, cpu } = this;
    for (const key of Object.keys(rights)) this.checkKey(Number(key));
    let value: PkeyValue = { high: 0, low: 0 };
    for (let key = 0; key < register.keys; key++) {
      value = orPkeyValues(value, register.field(key, rights[key] ?? (key === 0 ? "rwx" : register.unused)));
    }
    writePkeyValue(cpu, value);
    cpu.synchronise();
  }

  /**
   * Loads 64 bits.
   * @param address - a multiple of 8
   * @returns the value, or the fault
   * @throws KpkeysError ERR_API_MISUSE for an address that is not a multiple of 8 or has more than 64 bits
   */
  load(address: bigint): bigint | BareFault {
    const { cpu } = this;
    const { high, low } = checkedWords(address, 8n);
    return cpu.load64(high, low) === OK ? fromWords(cpu.valueHigh, cpu.valueLow) : this.lastFault();
  }

  /**
   * Stores 64 bits.
   * @param address - a multiple of 8
   * @param value - bits 63 to 0 are stored
   * @returns the fault; undefined if the store succeeded
   * @throws KpkeysError ERR_API_MISUSE for an address that is not a multiple of 8 or has more than 64 bits
   */
  store(address: bigint, value: bigint): BareFault | undefined {
    const { high, low } = checkedWords(address, 8n);
    const words = toWords(value);
    return this.cpu.store64(high, low, words.high, words.low) === OK ? undefined : this.lastFault();
  }

  private lastFault(): BareFault {
    const { tools } = this;
    const { fault } = this.cpu;
    const names = Object.keys(FaultKind) as (keyof typeof FaultKind)[];
    return {
      kind: names.find((name) => FaultKind[name] === fault.kind)!,
      address: fromWords(fault.addressHigh, fault.addressLow),
      level: fault.level,
      pkey: fault.pkey,
      text: tools.describeFault(fault),
      registers: tools.faultRegisters(fault),
    };
  }

  private checkKey(key: number): void {
    const { name, keys } = this.register;
    if (!Number.isInteger(key) || key < 0 || key >= keys) {
      throw misuse(`${name} has no key ${key}`, `a key from 0 to ${keys - 1}`);
    }
  }
}

/** The words of an address. @throws KpkeysError ERR_API_MISUSE */
function checkedWords(address: bigint, alignment: bigint): Words {
  if (BigInt.asUintN(64, address) === address && address % alignment === 0n) return toWords(address);
  throw misuse(`cannot access address ${address}`, `64 bits, not negative, a multiple of ${alignment}`);
}

function misuse(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_API_MISUSE", what, { where: "BareMachine", expected });
}
