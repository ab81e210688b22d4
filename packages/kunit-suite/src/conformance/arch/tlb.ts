import { fromWords } from "@kpkeys/core";
import { Access, FaultKind, toAsid } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { createBench } from "../bench.js";
import type { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { outcomeText } from "../text.js";
import { fitsIntoRam, leafFor, privilegeFor } from "./walk.js";

const SOURCE = "contract Mmu; Arm ARM, TLB maintenance; SDM volume 3, Caching Translation Information";
const USER_ADDRESS = 0x1000_0000n;

/** Pages in a row that a rule maps. */
const PAGES = 4;

/** Maps pages in a row and touches each, so that a TLB may hold them. @returns their addresses */
function mapAndTouch(bench: Bench, start: bigint): readonly bigint[] {
  const { levels, pageShift } = bench.format.geometry;
  const level = levels.length - 1;
  return Array.from({ length: PAGES }, (_, page) => {
    const address = start + (BigInt(page) << BigInt(pageShift));
    bench.put(address, level, leafFor(bench, address, level, bench.dataPfn + page));
    bench.attempt(address, Access.READ, privilegeFor(bench, address));
    return address;
  });
}

/** Takes the leaf of an address away without any invalidation. */
function unmap(bench: Bench, address: bigint): void {
  bench.put(address, bench.format.geometry.levels.length - 1, { high: 0, low: 0 });
}

const isReadable = (bench: Bench, address: bigint): boolean =>
  bench.attempt(address, Access.READ, privilegeFor(bench, address)) === undefined;

const stale: ConformanceRule = {
  id: "tlb/stale",
  sentence:
    "a translation that outlives its entry is found by the audit, and none is found where the tables are as they were",
  source: `${SOURCE}: contract Mmu.auditTlb`,
  check({ plugin }, report) {
    for (const start of [createBench(plugin).pgtable.layout.vmallocStart, USER_ADDRESS]) {
      const bench = createBench(plugin);
      const addresses = mapAndTouch(bench, start);
      const before = bench.cpu.mmu.auditTlb(() => undefined);
      if (before !== 0) report(`${before} translations are called stale while the tables are unchanged`);
      unmap(bench, addresses[1]!);
      const told: bigint[] = [];
      const found = bench.cpu.mmu.auditTlb((high, low) => told.push(fromWords(high, low)));
      if (found !== told.length) report(`the audit counts ${found} translations and tells of ${told.length}`);
      const bytes = 2n ** BigInt(bench.format.geometry.pageShift);
      const inPage = told.filter((address) => address >= addresses[1]! && address < addresses[1]! + bytes);
      if (inPage.length < told.length) report("the audit tells of a page whose entry is unchanged");
      if (isReadable(bench, addresses[1]!) && inPage.length === 0) {
        report("a page without an entry can still be read, and the audit does not tell of it");
      }
    }
  },
};

/** The ways to invalidate, with whether each reaches the second of the pages mapped, and others. */
const INVALIDATIONS: readonly (readonly [name: string, invalidate: (bench: Bench, address: bigint) => void])[] = [
  [
    "invalidatePage",
    ({ cpu }, address) => {
      const { high, low } = toWords(address);
      cpu.mmu.invalidatePage(high, low);
    },
  ],
  [
    "invalidateRange",
    ({ cpu, format }, address) => {
      const { high, low } = toWords(address - (1n << BigInt(format.geometry.pageShift)));
      cpu.mmu.invalidateRange(high, low, 2);
    },
  ],
  [
    "invalidateAll",
    ({ cpu }) => {
      cpu.mmu.invalidateAll();
    },
  ],
];

const invalidate: ConformanceRule = {
  id: "tlb/invalidate",
  sentence:
    "after an invalidation of its page, of a range that holds it or of all, a page without an entry faults; others stay",
  source: SOURCE,
  check({ plugin }, report) {
    for (const start of [createBench(plugin).pgtable.layout.vmallocStart, USER_ADDRESS]) {
      const ways = start === USER_ADDRESS ? [...INVALIDATIONS, ASID] : INVALIDATIONS;
      for (const [name, run] of ways) {
        const bench = createBench(plugin);
        const addresses = mapAndTouch(bench, start);
        unmap(bench, addresses[1]!);
        const before = bench.cpu.counters.tlbInvalidations;
        run(bench, addresses[1]!);
        if (bench.cpu.counters.tlbInvalidations !== before + 1) report(`${name} is not counted as one invalidation`);
        if (isReadable(bench, addresses[1]!)) report(`after ${name} a page without an entry can still be read`);
        for (const other of [0, 2, 3])
          if (!isReadable(bench, addresses[other]!)) report(`after ${name} a page with an entry cannot be read`);
        const left = bench.cpu.mmu.auditTlb(() => undefined);
        if (left !== 0) report(`after ${name} the audit still finds ${left} stale translations`);
      }
    }
  },
};

const ASID: (typeof INVALIDATIONS)[number] = [
  "invalidateAsid",
  ({ cpu }) => {
    cpu.mmu.invalidateAsid(toAsid(1));
  },
];

const blocks: ConformanceRule = {
  id: "tlb/blocks",
  sentence: "to invalidate any page of a block invalidates the block",
  source: SOURCE,
  check({ plugin }, report) {
    const geometry = createBench(plugin).format.geometry;
    geometry.levels.forEach(({ leaf, shift, name }, level) => {
      const bench = createBench(plugin);
      const { layout } = bench.pgtable;
      const start = (layout.vmallocStart >> BigInt(shift)) << BigInt(shift);
      if (!leaf || !fitsIntoRam(bench, level) || level === geometry.levels.length - 1) return;
      bench.put(start, level, leafFor(bench, start, level, bench.dataPfn));
      const far = start + (1n << BigInt(shift - 1)) + 8n;
      for (const address of [start, far]) if (!isReadable(bench, address)) report(`a block at ${name} cannot be read`);
      unmapBlock(bench, start, level);
      const { high, low } = toWords(start + (1n << BigInt(geometry.pageShift)));
      bench.cpu.mmu.invalidatePage(high, low);
      for (const address of [start, far]) {
        if (isReadable(bench, address))
          report(`a block at ${name} without an entry can still be read after invalidatePage in it`);
      }
    });
  },
};

function unmapBlock(bench: Bench, address: bigint, level: number): void {
  bench.put(address, level, { high: 0, low: 0 });
}

const spaces: ConformanceRule = {
  id: "tlb/spaces",
  sentence: "a switch to another address space leaves no translation of the one before to be used",
  source: `${SOURCE}; contract Mmu.setUserRoot`,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { cpu, dataPfn, format } = bench;
    const level = format.geometry.levels.length - 1;
    const [first] = mapAndTouch(bench, USER_ADDRESS);
    const own = cpu.mmu.userRoot;
    const other = bench.newRoot();
    cpu.mmu.setUserRoot(other, toAsid(2));
    if (isReadable(bench, first!)) report("a page of the address space before can be read");
    bench.put(USER_ADDRESS, level, leafFor(bench, USER_ADDRESS, level, dataPfn + PAGES), other);
    if (!isReadable(bench, first!)) report("a page of the new address space cannot be read");
    cpu.mmu.setUserRoot(own, toAsid(1));
    if (!isReadable(bench, first!)) report("after the switch back a page cannot be read");
    const left = cpu.mmu.auditTlb(() => undefined);
    if (left !== 0) report(`the audit finds ${left} stale translations, though no entry was changed`);
  },
};

const register: ConformanceRule = {
  id: "tlb/register",
  sentence: "a write of the key register rules accesses of pages that were accessed before, without an invalidation",
  source: `${SOURCE}: rights of keys are not cached in TLBs (Arm ARM, I_SKPNZ; SDM volume 3, Protection Keys)`,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, pgtable, dataPfn, managed, kpkeys } = bench;
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL, managed));
    for (let round = 0; round < 4; round++) {
      const open = round % 2 === 0;
      bench.setRegister(open ? bench.open : kpkeys.initialValue());
      for (let again = 0; again < 3; again++) {
        const kind = bench.attempt(address, Access.WRITE);
        const expected = open ? undefined : FaultKind.PKEY;
        if (kind !== expected)
          report(
            `with its key ${open ? "open" : "read-only"} a write meets ${outcomeText(kind)}; expected: ${outcomeText(expected)}`,
          );
      }
    }
  },
};

const rekey: ConformanceRule = {
  id: "tlb/rekey",
  sentence: "once a page's key is changed and its translation invalidated, the new key decides",
  source: `${SOURCE}; set_memory_pkey of the series`,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, pgtable, dataPfn, managed, kpkeys, cpu } = bench;
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    const { high, low } = toWords(address);
    bench.setRegister(kpkeys.initialValue());
    for (const pkey of [0, managed, 0, managed]) {
      bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL, pkey));
      cpu.mmu.invalidatePage(high, low);
      const kind = bench.attempt(address, Access.WRITE);
      const expected = pkey === 0 ? undefined : FaultKind.PKEY;
      if (kind !== expected)
        report(`a page given key ${pkey}: a write meets ${outcomeText(kind)}; expected: ${outcomeText(expected)}`);
    }
  },
};

/** Rules of the TLB. */
export const TLB_RULES: readonly ConformanceRule[] = [stale, invalidate, blocks, spaces, register, rekey];
