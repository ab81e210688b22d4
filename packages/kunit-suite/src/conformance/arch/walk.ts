import { Access, EntryType, FaultKind, Privilege, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { WalkStep } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { createBench } from "../bench.js";
import type { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { outcomeText, valueText } from "../text.js";
import { someAddresses } from "./format.js";

const SOURCE = "contract Mmu; Arm ARM, Translation process; SDM volume 3, 4-Level Paging and 5-Level Paging";

/** The privilege with which an address of a half is accessed. */
export const privilegeFor = ({ pgtable }: Bench, address: bigint): Privilege =>
  address < pgtable.layout.userEnd ? Privilege.USER : Privilege.KERNEL;

/** A leaf that lets its half read and write. */
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

/** Whether the pages for data can be mapped by one leaf of a level. */
export function fitsIntoRam({ format, memory, dataPfn }: Bench, level: number): boolean {
  const pages = 2 ** (format.geometry.levels[level]!.shift - format.geometry.pageShift);
  return dataPfn % pages === 0 && dataPfn + pages <= memory.endPfn;
}

/** A leaf of a level is where the walk ends, and lets its half write. */
function checkLeaf(bench: Bench, address: bigint, level: number, report: (what: string) => void): void {
  const { table, index } = bench.put(address, level, leafFor(bench, address, level, bench.dataPfn));
  const last = stepsOf(bench, address).at(-1);
  if (last?.level !== level || last.table !== table || last.index !== index || last.type !== "leaf") {
    report(`the walk ends with ${last?.type ?? "nothing"} at level ${last?.level ?? "none"}`);
  }
  const kind = bench.attempt(address, Access.WRITE, privilegeFor(bench, address));
  if (kind !== undefined) report(`a write meets ${outcomeText(kind)}`);
}

/** What is stored at a kernel address arrives in its word of the page frames, and is loaded from there. */
function checkWord(
  { format, memory, cpu, dataPfn }: Bench,
  address: bigint,
  level: number,
  report: (what: string) => void,
): void {
  const { levels: all, pageShift } = format.geometry;
  const { high, low } = toWords(address);
  const offset = Number(address % BigInt(2 ** all[level]!.shift));
  const pfn = toPfn(dataPfn + Math.floor(offset / 2 ** pageShift));
  const word = (offset % 2 ** pageShift) / 8;
  cpu.store64(high, low, 0x12345678, 0x0abcdef0);
  const stored = memory.read(pfn, word);
  if (stored.high !== 0x12345678 || stored.low !== 0x0abcdef0) {
    report(`what is stored does not arrive in word ${word} of page frame ${pfn}`);
  }
  cpu.load64(high, low);
  if (cpu.valueHigh !== 0x12345678 || cpu.valueLow !== 0x0abcdef0) report("what is loaded is not what was stored");
}

const levels: ConformanceRule = {
  id: "walk/levels",
  sentence: "a leaf of every size is found at its level, and an access reaches the very word behind the address",
  source: SOURCE,
  check({ plugin }, report) {
    for (const address of someAddresses(createBench(plugin), 4)) {
      const bench = createBench(plugin);
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
  sentence: "where no entry is, the access faults for that and at that level",
  source: SOURCE,
  check({ plugin }, report) {
    for (const address of someAddresses(createBench(plugin), 3)) {
      const bench = createBench(plugin);
      const { format, cpu, memory, dataPfn } = bench;
      const lastLevel = format.geometry.levels.length - 1;
      const { high, low } = toWords(address);
      bench.put(address, lastLevel, leafFor(bench, address, lastLevel, dataPfn));
      for (const step of stepsOf(bench, address).toReversed()) {
        memory.write(step.table, step.index, { high: 0, low: 0 });
        cpu.mmu.invalidateAll();
        const where = `${valueText({ high, low })} without its ${format.geometry.levels[step.level]!.name} entry`;
        const kind = bench.attempt(address, Access.READ, privilegeFor(bench, address));
        if (kind !== FaultKind.TRANSLATION) report(`${where}: a read meets ${outcomeText(kind)}; no entry expected`);
        else if (cpu.fault.level !== step.level)
          report(`${where}: level ${cpu.fault.level} is reported, ${step.level} expected`);
      }
    }
  },
};

const canonical: ConformanceRule = {
  id: "walk/canonical",
  sentence: "an address whose upper bits are not as they must be is refused",
  source:
    "contract Geometry.addressBits; Arm ARM, Selection between TTBR0_ELx and TTBR1_ELx; SDM volume 1, Canonical Addressing",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { addressBits, levels: all } = bench.format.geometry;
    const { linearMap } = bench.pgtable.layout;
    const lastLevel = all.length - 1;
    for (const address of [linearMap, 0x1000_0000n]) {
      bench.put(address, lastLevel, leafFor(bench, address, lastLevel, bench.dataPfn));
      for (let bit = addressBits; bit < 64; bit++) {
        const wrong = address ^ (1n << BigInt(bit));
        const kind = bench.attempt(wrong, Access.READ, privilegeFor(bench, address));
        if (kind === undefined) report(`${valueText(toWords(wrong))} is accessed, though bit ${bit} is wrong`);
      }
    }
  },
};

const pure: ConformanceRule = {
  id: "walk/pure",
  sentence: "a walk for tools changes no entry, no translation, no counter and no report",
  source: "contract Mmu.walk",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { cpu, format, memory, dataPfn } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    const level = format.geometry.levels.length - 1;
    const entry = format.makeOld(leafFor(bench, address, level, dataPfn));
    const { table, index } = bench.put(address, level, entry);
    const counters = JSON.stringify(cpu.counters);
    const fault = JSON.stringify(cpu.fault);
    const steps = stepsOf(bench, address);
    stepsOf(bench, address + (1n << 30n));
    if (JSON.stringify(cpu.counters) !== counters)
      report(`counters are ${JSON.stringify(cpu.counters)}, ${counters} before`);
    if (JSON.stringify(cpu.fault) !== fault) report("the report of the last fault has changed");
    const after = memory.read(table, index);
    if (after.high !== entry.high || after.low !== entry.low) report("the leaf has changed");
    for (const step of steps) {
      const type = format.typeOf(toLevel(step.level), step.high, step.low);
      const expected = type === EntryType.TABLE ? "table" : type === EntryType.LEAF ? "leaf" : "invalid";
      if (step.type !== expected)
        report(`level ${step.level}: the walker takes for ${step.type} what the format takes for ${expected}`);
    }
  },
};

const roots: ConformanceRule = {
  id: "walk/roots",
  sentence: "user and kernel addresses are translated by the roots that the geometry says, one or two",
  source: "contract Geometry.splitRoots; TTBR0_EL1 and TTBR1_EL1; CR3",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { cpu, dataPfn, format } = bench;
    const { splitRoots } = format.geometry;
    const lastLevel = format.geometry.levels.length - 1;
    const kernel = bench.pgtable.layout.vmallocStart;
    const user = 0x1000_0000n;
    for (const address of [kernel, user]) bench.put(address, lastLevel, leafFor(bench, address, lastLevel, dataPfn));
    cpu.mmu.setUserRoot(toPfn(bench.newRoot()), toAsid(2));
    const isMapped = (address: bigint): boolean => stepsOf(bench, address).at(-1)?.type === "leaf";
    if (isMapped(user)) report("a user address is still mapped with another user root");
    if (isMapped(kernel) !== splitRoots) {
      report(
        `a kernel address is ${splitRoots ? "lost" : "still mapped"} with another user root, though roots are ${splitRoots ? "split" : "shared"}`,
      );
    }
  },
};

/** Rules of the table walk. */
export const WALK_RULES: readonly ConformanceRule[] = [levels, holes, canonical, pure, roots];
