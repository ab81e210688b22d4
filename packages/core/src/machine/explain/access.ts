import { OK } from "../../contracts/index.js";
import type {
  Access,
  Cpu,
  FaultReport,
  Geometry,
  MemoryBank,
  PageTableFormat,
  PhysicalMemory,
  Privilege,
  WalkStep,
} from "../../contracts/index.js";
import { KpkeysError } from "../../errors.js";
import { createPhysicalMemory } from "../physical-memory.js";
import { fromWords, toWords } from "../words.js";
import { addressIn } from "./entries.js";

/** One access with all that decides it, so that it can be tried again with one thing changed. */
export interface AccessSetup {
  /** The codec of the entries, with the shape of the tables. */
  readonly format: PageTableFormat;
  /** The table entries from the root down, the leaf (or what stands in its place) last. */
  readonly entries: readonly bigint[];
  /** The address accessed. */
  readonly address: bigint;
  /** What is done. */
  readonly access: Access;
  /** On whose behalf. */
  readonly privilege: Privilege;
  /** The system registers by the manual's names. */
  readonly registers: Readonly<Record<string, bigint>>;
  /** The kernel's key register. */
  readonly pkeyRegister: bigint;
  /** Width of physical addresses in bits. */
  readonly physicalAddressBits: number;
}

/** What an architecture gives for trying accesses: its CPU. */
export interface AccessBench {
  /**
   * Makes a CPU, as its `CpuFactory` does.
   * @param memory - where the tables are
   * @param physicalAddressBits - width of physical addresses
   * @param geometry - the shape of the tables
   */
  createCpu(memory: PhysicalMemory, physicalAddressBits: number, geometry: Geometry): Cpu;
}

/** What came of an access. */
export interface Attempt {
  /** Whether it went through. */
  readonly ok: boolean;
  /** The CPU's report, if it did not. */
  readonly fault: FaultReport;
  /** The walk, with the entries as they were before; empty if the address is not walked at all. */
  readonly steps: readonly WalkStep[];
  /** The entries after the access. */
  readonly after: readonly bigint[];
}

/**
 * RAM that has the tables of a vector and no other page but one for the root.
 *
 * @param entries - from the root down, the leaf last
 * @param format - their codec
 * @param physicalAddressBits - tables beyond are left out: the walk faults before it reads them
 * @param avoid - page-frame numbers that the root must not have
 * @returns the memory, and the page-frame numbers of the tables, the root's first
 * @throws KpkeysError ERR_SPEC when the tables lie further apart than the laboratory's memory reaches
 */
export function memoryForTables(
  entries: readonly bigint[],
  format: PageTableFormat,
  physicalAddressBits: number,
  avoid: (pfn: number) => boolean = () => false,
): { readonly memory: PhysicalMemory; readonly tables: readonly number[] } {
  const below = entries.slice(0, -1).map((entry) => {
    const { high, low } = toWords(entry);
    return format.pfnOf(high, low);
  });
  const inside = below.filter((pfn) => pfn < 2 ** (physicalAddressBits - format.geometry.pageShift));
  let root = inside.length === 0 ? 0 : Math.min(...inside);
  while (below.includes(root) || avoid(root)) root++;
  const pfns = [...new Set([root, ...inside])].sort((a, b) => a - b);
  const banks: MemoryBank[] = pfns.map((firstPfn) => ({ firstPfn, pages: 1 }));
  return { memory: createPhysicalMemory(banks, { pageShift: format.geometry.pageShift }), tables: [root, ...below] };
}

/** The access with its tables next to each other, so that a small memory holds them: addresses are the same or different as before. */
function relocate({ entries, format, physicalAddressBits }: AccessSetup): {
  readonly moved: readonly bigint[];
  readonly tables: readonly number[];
} {
  const { pageShift } = format.geometry;
  const limit = 2 ** (physicalAddressBits - pageShift);
  const frames = new Map<number, number>();
  const tables = [0];
  const moved = entries.map((entry, level) => {
    const { high, low } = toWords(entry);
    const pfn = format.pfnOf(high, low);
    if (level === entries.length - 1) return entry;
    // A table beyond the machine's addresses is not read: the check of its entry comes first.
    if (pfn >= limit) {
      tables.push(pfn);
      return entry;
    }
    const frame = frames.get(pfn) ?? frames.size + 1;
    frames.set(pfn, frame);
    tables.push(frame);
    return entry ^ addressIn(format, pfn) ^ addressIn(format, frame);
  });
  return { moved, tables };
}

/**
 * Makes an access on a CPU of its own: builds the tables, sets the registers, walks, accesses.
 *
 * @param bench - the architecture's part
 * @param setup - the access
 * @returns what came of it
 * @throws KpkeysError ERR_EXPLAIN_INPUT when two entries would be in one place
 */
export function attemptAccess(bench: AccessBench, setup: AccessSetup): Attempt {
  const { format } = setup;
  const { levels, splitRoots, pageShift } = format.geometry;
  const { high, low } = toWords(setup.address);
  const { moved, tables } = relocate(setup);
  const memory = createPhysicalMemory([{ firstPfn: 0, pages: tables.length }], { pageShift });
  const slots = tables.map((table, level) => ({ table, index: format.index(level, high, low) }));
  slots.forEach(({ table, index }, level) => {
    const above = slots.findIndex((slot) => slot.table === table && slot.index === index);
    if (above !== level) {
      throw new KpkeysError("ERR_EXPLAIN_INPUT", `${levels[above]!.name} and ${levels[level]!.name} are one entry`, {
        expected: "tables at different addresses",
      });
    }
    const entry = toWords(moved[level]!);
    if (memory.contains(table)) memory.write(table, index, entry.high, entry.low);
  });

  const cpu = bench.createCpu(memory, setup.physicalAddressBits, format.geometry);
  for (const [name, value] of Object.entries(setup.registers)) cpu.systemRegisters.write(name, value);
  const keys = toWords(setup.pkeyRegister);
  cpu.writePkeyRegister(keys.high, keys.low);
  cpu.synchronise();
  if (splitRoots) cpu.mmu.setUserRoot(tables[0]!, 1);
  cpu.mmu.setKernelRoot(tables[0]!);
  cpu.mmu.enabled = true;

  const steps: WalkStep[] = [];
  cpu.mmu.walk(high, low, (step) => steps.push({ ...step, ...toWords(setup.entries[step.level]!) }));
  const status = cpu.access(high, low, setup.access, setup.privilege);
  const after = slots.map(({ table, index }, level) => {
    const entry = setup.entries[level]!;
    if (!memory.contains(table)) return entry;
    return entry ^ moved[level]! ^ fromWords(memory.readHigh(table, index), memory.readLow(table, index));
  });
  return { ok: status === OK, fault: { ...cpu.fault }, steps, after };
}

/**
 * The same access with bits of a register changed.
 *
 * @param setup - the access
 * @param name - the register, by the manual's name
 * @param clear - bits cleared first
 * @param set - bits set after
 */
export function withRegister(setup: AccessSetup, name: string, clear: bigint, set: bigint): AccessSetup {
  const value = (setup.registers[name]! & ~clear) | set;
  return { ...setup, registers: { ...setup.registers, [name]: value } };
}

/**
 * The same access with bits of entries changed.
 *
 * @param setup - the access
 * @param levels - the levels whose entries change, 0 being the root's
 * @param clear - bits cleared first
 * @param set - bits set after
 */
export function withEntries(setup: AccessSetup, levels: readonly number[], clear: bigint, set: bigint): AccessSetup {
  const entries = setup.entries.map((entry, level) => (levels.includes(level) ? (entry & ~clear) | set : entry));
  return { ...setup, entries };
}
