import { Access, EntryType, FaultKind, Privilege, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { WalkStep, Words } from "@kpkeys/core/contracts";
import { fromBytes, toBytes, toWords } from "@kpkeys/core/machine";
import type { EntryPlace } from "@kpkeys/core/machine";
import { Bench } from "../bench.js";
import type { ConformanceRule, ReportFinding } from "../rule.js";
import { checkOutcome, valueText } from "../text.js";
import { someAddresses } from "./format.js";

const SOURCE = "contract Mmu; Arm ARM, Translation process; SDM volume 3, 4-Level Paging and 5-Level Paging";

/** The privilege of accesses to the half of an address. */
export const privilegeFor = ({ pgtable }: Bench, address: bigint): Privilege =>
  address < pgtable.layout.userEnd ? Privilege.USER : Privilege.KERNEL;

/** A leaf with read-write for the half of its address. */
export function leafFor(bench: Bench, address: bigint, level: number, pfn: number): { high: number; low: number } {
  const { PAGE_SHARED, PAGE_KERNEL } = bench.format.protections;
  return bench.leaf(level, pfn, address < bench.pgtable.layout.userEnd ? PAGE_SHARED : PAGE_KERNEL);
}

function stepsOf({ cpu }: Bench, address: bigint): WalkStep[] {
  const steps: WalkStep[] = [];
  const { high, low } = toWords(address);
  cpu.mmu.walk(high, low, (step) => steps.push(step));
  return steps;
}

/** Whether a leaf of a level can map the data pages. */
export function fitsIntoRam({ format, memory, dataPfn }: Bench, level: number): boolean {
  const pages = 2 ** (format.geometry.levels[level]!.shift - format.geometry.pageShift);
  return dataPfn % pages === 0 && dataPfn + pages <= memory.endPfn;
}

/** Checks that the walk ends with the leaf at a level, and that a write succeeds. */
function checkLeaf(bench: Bench, address: bigint, level: number, report: ReportFinding): void {
  const { table, index } = bench.put(address, level, leafFor(bench, address, level, bench.dataPfn));
  const last = stepsOf(bench, address).at(-1);
  if (last?.level !== level || last.table !== table || last.index !== index || last.type !== "leaf") {
    report(
      `the walk ends with ${last?.type ?? "no entry"} at level ${last?.level ?? "none"}; expected the leaf at level ${level}`,
    );
  }
  const kind = bench.attempt(address, Access.WRITE, privilegeFor(bench, address));
  checkOutcome(report, "a write", kind, undefined);
}

/** Checks that a store to a kernel address writes the right word of RAM, and that a load returns it. */
function checkWord(
  { format, memory, cpu, dataPfn }: Bench,
  address: bigint,
  level: number,
  report: ReportFinding,
): void {
  const { levels: all, pageShift } = format.geometry;
  const { high, low } = toWords(address);
  const offset = Number(address % BigInt(2 ** all[level]!.shift));
  const pfn = toPfn(dataPfn + Math.floor(offset / 2 ** pageShift));
  const word = (offset % 2 ** pageShift) / 8;
  cpu.store64(high, low, 0x12345678, 0x0abcdef0);
  const stored = memory.read(pfn, word);
  if (stored.high !== 0x12345678 || stored.low !== 0x0abcdef0) {
    report(`the stored value is not in word ${word} of page frame ${pfn}`);
  }
  cpu.load64(high, low);
  if (cpu.valueHigh !== 0x12345678 || cpu.valueLow !== 0x0abcdef0) report("the loaded value is not the stored one");
}

const levels: ConformanceRule = {
  id: "walk/levels",
  sentence: "a leaf of every size is found at its level, and an access reaches the word that it maps",
  source: SOURCE,
  check({ plugin }, report) {
    for (const address of someAddresses(new Bench(plugin), 4)) {
      const bench = new Bench(plugin);
      for (const [level, { leaf, name }] of bench.format.geometry.levels.entries()) {
        if (!leaf || !fitsIntoRam(bench, level)) continue;
        bench.memory.reset();
        bench.cpu.mmu.invalidateAll();
        const reportHere = (what: string): void => {
          report(`${valueText(toWords(address))}, mapped at ${name}: ${what}`);
        };
        checkLeaf(bench, address, level, reportHere);
        if (address >= bench.pgtable.layout.userEnd) checkWord(bench, address, level, reportHere);
      }
    }
  },
};

const holes: ConformanceRule = {
  id: "walk/holes",
  sentence: "an access without an entry at some level is a translation fault of that level",
  source: SOURCE,
  check({ plugin }, report) {
    for (const address of someAddresses(new Bench(plugin), 3)) {
      const bench = new Bench(plugin);
      const { format, cpu, memory, dataPfn, lastLevel } = bench;
      const { high, low } = toWords(address);
      bench.put(address, lastLevel, leafFor(bench, address, lastLevel, dataPfn));
      for (const step of stepsOf(bench, address).toReversed()) {
        memory.writeEntry(step.table, step.index, { high: 0, low: 0 });
        cpu.mmu.invalidateAll();
        const where = `${valueText({ high, low })} without its ${format.geometry.levels[step.level]!.name} entry`;
        const kind = bench.attempt(address, Access.READ, privilegeFor(bench, address));
        const isExpected = checkOutcome(report, `${where}, a read`, kind, FaultKind.TRANSLATION);
        if (isExpected && cpu.fault.level !== step.level)
          report(`${where}: the report has level ${cpu.fault.level}; expected ${step.level}`);
      }
    }
  },
};

const canonical: ConformanceRule = {
  id: "walk/canonical",
  sentence: "an access to a non-canonical address faults",
  source:
    "contract Geometry.addressBits; Arm ARM, Selection between TTBR0_ELx and TTBR1_ELx; SDM volume 1, Canonical Addressing",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { lastLevel } = bench;
    const { addressBits } = bench.format.geometry;
    const { linearMap } = bench.pgtable.layout;
    for (const address of [linearMap, 0x1000_0000n]) {
      bench.put(address, lastLevel, leafFor(bench, address, lastLevel, bench.dataPfn));
      for (let bit = addressBits; bit < 64; bit++) {
        const wrong = address ^ (1n << BigInt(bit));
        const kind = bench.attempt(wrong, Access.READ, privilegeFor(bench, address));
        if (kind === undefined)
          report(
            `an access to ${valueText(toWords(wrong))} succeeds; expected a fault, because bit ${bit} is not canonical`,
          );
      }
    }
  },
};

const pure: ConformanceRule = {
  id: "walk/pure",
  sentence: "a walk for tools has no side effects: entries, TLB, counters and fault report do not change",
  source: "contract Mmu.walk",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, format, memory, dataPfn, lastLevel: level } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    const entry = format.makeOld(leafFor(bench, address, level, dataPfn));
    const { table, index } = bench.put(address, level, entry);
    const counters = JSON.stringify(cpu.counters);
    const fault = JSON.stringify(cpu.fault);
    const steps = stepsOf(bench, address);
    stepsOf(bench, address + (1n << 30n));
    if (JSON.stringify(cpu.counters) !== counters)
      report(`the counters are ${JSON.stringify(cpu.counters)}; expected ${counters}`);
    if (JSON.stringify(cpu.fault) !== fault) report("the report of the last fault changed");
    const after = memory.readEntry(table, index);
    if (after.high !== entry.high || after.low !== entry.low) report("the leaf changed");
    for (const step of steps) {
      const type = format.typeOf(toLevel(step.level), step.high, step.low);
      const expected = type === EntryType.TABLE ? "table" : type === EntryType.LEAF ? "leaf" : "invalid";
      if (step.type !== expected)
        report(`level ${step.level}: the walk reports ${step.type}; expected ${expected}, the type in the format`);
    }
  },
};

const byteOrder: ConformanceRule = {
  id: "walk/byte-order",
  sentence: "the hardware walk reads and writes entries in the byte order of the geometry",
  source:
    "contract Geometry.entryByteOrder; POWER: cpu_to_be64() in __pte() of arch/powerpc/include/asm/pgtable-be-types.h",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, memory, dataPfn, lastLevel } = bench;
    const { byteOrder: ofData = "little", entryByteOrder: ofEntries = "little" } = format.geometry;
    const address = 0x1000_0000n;
    const leaf = format.makeClean(format.makeOld(leafFor(bench, address, lastLevel, dataPfn)));
    const { table, index } = bench.put(address, lastLevel, leaf);
    // The entries of the way are written as bytes, through words of the kernel's order.
    const setBytes = (place: EntryPlace, entry: Words): void => {
      memory.write(place.table, place.index, fromBytes(toBytes(entry, ofEntries), 0, ofData));
    };
    for (const step of stepsOf(bench, address)) setBytes(step, step);
    setBytes({ table, index }, leaf);
    const kind = bench.attempt(address, Access.WRITE, Privilege.USER);
    if (!checkOutcome(report, `a write to a page with ${ofEntries}-endian entries`, kind, undefined)) return;
    const { high, low } = fromBytes(toBytes(memory.read(table, index), ofData), 0, ofEntries);
    if (format.pfnOf(high, low) !== dataPfn || !format.isYoung(high, low) || !format.isDirty(high, low)) {
      report(`after a write the ${ofEntries}-endian leaf is ${valueText({ high, low })}; expected it young and dirty`);
    }
  },
};

const roots: ConformanceRule = {
  id: "walk/roots",
  sentence: "user and kernel addresses have one root or two, as the geometry defines",
  source: "contract Geometry.splitRoots; TTBR0_EL1 and TTBR1_EL1; CR3",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, dataPfn, lastLevel } = bench;
    const { splitRoots } = bench.format.geometry;
    const kernel = bench.pgtable.layout.vmallocStart;
    const user = 0x1000_0000n;
    for (const address of [kernel, user]) bench.put(address, lastLevel, leafFor(bench, address, lastLevel, dataPfn));
    cpu.mmu.setUserRoot(toPfn(bench.newRoot()), toAsid(2));
    const isMapped = (address: bigint): boolean => stepsOf(bench, address).at(-1)?.type === "leaf";
    if (isMapped(user)) report("a user address is mapped after a change of the user root");
    if (isMapped(kernel) !== splitRoots) {
      report(
        `after a change of the user root a kernel address is ${splitRoots ? "not mapped" : "mapped"}, and the roots are ${splitRoots ? "separate" : "shared"}`,
      );
    }
  },
};

/** Rules of the table walk. */
export const WALK_RULES: readonly ConformanceRule[] = [levels, holes, canonical, pure, byteOrder, roots];
