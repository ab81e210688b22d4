import { toAsid, toPfn } from "../../src/contracts/index.js";
import { Access, FaultKind, Privilege } from "../../src/contracts/index.js";
import type { ByteOrder, Cpu, Observers, SystemRegisters } from "../../src/contracts/index.js";
import { createCpu, createPhysicalMemory, NEEDS_DIRTY } from "../../src/machine/index.js";
import { ObserverList } from "../../src/observers.js";
import type { LevelDecoding, OutputAddressForm, TlbGeometry, TranslationRegime } from "../../src/machine/index.js";
import { storageOf } from "../../src/machine/physical-memory.js";
import type { SparseMemory } from "../../src/machine/physical-memory.js";
import { DEFAULT_TLB } from "../../src/machine/tlb-geometry.js";

// An architecture that does not exist, so that nothing in the machine is made for one that does.
//
//   63  61  60     51        12   8  7  6  5  4  3  2  1  0
//   key     RSVD   address        S  G  D  A  X  U  W  L  V
//
// V valid, L leaf, W writable, U user, X executable, A accessed, D dirty, G global, S reserved at every level.

export const V = 0x1;
export const L = 0x2;
export const W = 0x4;
export const U = 0x8;
export const X = 0x10;
export const A = 0x20;
export const D = 0x40;
export const G = 0x80;
export const S = 0x100;

/** The key register: per key, 2 bits in the low word: 1 no read, 2 no write. The system register OPEN = 1 switches keys off. */
export interface ToyOptions {
  /** log2 of the page size. */
  readonly pageShift: number;
  /** Index bits of the levels, the top one first. */
  readonly indexBits: readonly number[];
  readonly splitRoots: boolean;
  readonly asids: boolean;
  readonly needsBarrier: boolean;
  readonly faultDropsTranslation: boolean;
  readonly tlb: TlbGeometry;
  readonly outputAddress: OutputAddressForm;
  readonly byteOrder: ByteOrder;
  readonly entryByteOrder: ByteOrder;
}

export const TOY: ToyOptions = {
  pageShift: 12,
  indexBits: [9, 9, 9],
  splitRoots: true,
  asids: true,
  needsBarrier: true,
  faultDropsTranslation: false,
  tlb: DEFAULT_TLB,
  outputAddress: { highMask: 0xfffff },
  byteOrder: "little",
  entryByteOrder: "little",
};

export function createToyRegime(options: ToyOptions, isOpen: () => boolean): TranslationRegime {
  const { pageShift, indexBits, splitRoots, asids, needsBarrier, faultDropsTranslation } = options;
  const levels: LevelDecoding[] = indexBits.map((_, level) => ({
    shift: pageShift + indexBits.slice(level + 1).reduce((sum, bits) => sum + bits, 0),
    typeMask: V | L,
    table: level === indexBits.length - 1 ? -1 : V,
    leaf: V | L,
  }));
  return {
    levels,
    addressBits: pageShift + indexBits.reduce((sum, bits) => sum + bits, 0),
    splitRoots,
    outputAddress: options.outputAddress,
    asidBits: asids ? 16 : 0,
    tableAccessed: A,
    pkeyRegisterNeedsBarrier: needsBarrier,
    pkeyRegisterReset: { high: 0, low: 0 },
    nonCanonicalFault: FaultKind.ADDRESS_SIZE,
    faultDropsTranslation,
    checkEntry: (_level, _isLeaf, _high, low) => ((low & S) !== 0 ? FaultKind.RESERVED : FaultKind.NONE),
    checkLeaf: () => FaultKind.NONE,
    attributes: ({ high, low }) => (low & 0xfff) | ((high >>> 29) << 12),
    pkeyOf: (attributes) => attributes >>> 12,
    isGlobal: ({ low }) => (low & G) !== 0,
    check(attributes, access, privilege, _pkeyHigh, pkeyLow) {
      if (privilege === Privilege.USER && (attributes & U) === 0) return FaultKind.PERMISSION;
      if (access === Access.FETCH) return (attributes & X) !== 0 ? FaultKind.NONE : FaultKind.PERMISSION;
      const denied = isOpen() ? 0 : (pkeyLow >>> ((attributes >>> 12) * 2)) & 3;
      if ((denied & access) !== 0) return FaultKind.PKEY;
      if ((access & Access.WRITE) === 0) return FaultKind.NONE;
      if ((attributes & W) === 0) return FaultKind.PERMISSION;
      return (attributes & D) !== 0 ? FaultKind.NONE : NEEDS_DIRTY;
    },
    updateLeaf(walk, access) {
      walk.low |= (access & Access.WRITE) !== 0 ? A | D : A;
    },
    syndrome(kind, _walk, _attributes, access, _privilege, syndrome) {
      syndrome.high = kind;
      syndrome.low = access;
    },
  };
}

export interface Toy {
  readonly cpu: Cpu;
  readonly memory: SparseMemory;
  readonly regime: TranslationRegime;
  /** Top-level tables, made at creation; the same if roots are shared. */
  readonly kernelRoot: number;
  readonly userRoot: number;
  /** Writes the leaf of an address into the tables of a root, and allocates missing tables. @returns the location of the leaf */
  map(root: number, address: bigint, entry: bigint, level?: number): { table: number; index: number };
  /** Another page for a table. */
  allocate(): number;
}

export const high = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
export const low = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** A leaf for a page. */
export function leaf(pfn: number, bits: number, pkey = 0, pageShift = TOY.pageShift): bigint {
  return (BigInt(pkey) << 61n) | (BigInt(pfn) << BigInt(pageShift)) | BigInt(V | L | bits);
}

/** Page frames below this are for tables. */
export const FIRST_DATA_PFN = 0x1000;
const PAGES = 0x40000;

export function createToy(options: Partial<ToyOptions> = {}, observers: Observers = new ObserverList()): Toy {
  const { pageShift, byteOrder, entryByteOrder } = { ...TOY, ...options };
  const memory = storageOf(
    createPhysicalMemory([{ firstPfn: toPfn(0), pages: PAGES }], {
      reservePages: 0x100,
      pageShift,
      byteOrder,
      entryByteOrder,
    }),
  );
  let open = 0n;
  const systemRegisters: SystemRegisters = {
    names: ["OPEN"],
    read: () => open,
    write(_name, value) {
      open = value;
    },
  };
  const regime = createToyRegime({ ...TOY, ...options }, () => open !== 0n);
  const cpu = createCpu({ id: 0, regime, memory, systemRegisters, observers, tlb: options.tlb });
  let nextTable = 1;
  const allocate = (): number => nextTable++;
  const kernelRoot = allocate();
  const userRoot = regime.splitRoots ? allocate() : kernelRoot;
  cpu.mmu.setKernelRoot(toPfn(kernelRoot));
  if (regime.splitRoots) cpu.mmu.setUserRoot(toPfn(userRoot), toAsid(1));
  cpu.mmu.enabled = true;

  /** The slow and obvious way: bigint division. */
  function indexIn(level: number, address: bigint): number {
    const { shift } = regime.levels[level]!;
    const above = regime.levels[level - 1]?.shift ?? regime.addressBits;
    return Number((BigInt.asUintN(64, address) / 2n ** BigInt(shift)) % 2n ** BigInt(above - shift));
  }

  return {
    cpu,
    memory,
    regime,
    kernelRoot,
    userRoot,
    allocate,
    map(root, address, entry, level = regime.levels.length - 1) {
      let table = root;
      for (let above = 0; above < level; above++) {
        const index = indexIn(above, address);
        if ((memory.readEntry(table, index).low & V) === 0)
          memory.writeEntry(table, index, { high: 0, low: (allocate() << pageShift) | V });
        table = memory.readEntry(table, index).low >>> pageShift;
      }
      const index = indexIn(level, address);
      memory.writeEntry(table, index, { high: high(entry), low: low(entry) });
      return { table, index };
    },
  };
}
