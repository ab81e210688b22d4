import { fromWords } from "@kpkeys/core";
import { Access, FaultKind, toAsid } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { checkOutcome } from "../text.js";
import { fitsIntoRam, leafFor, privilegeFor } from "./walk.js";

const SOURCE = "contract Mmu; Arm ARM, TLB maintenance; SDM volume 3, Caching Translation Information";
const USER_ADDRESS = 0x1000_0000n;

/** Consecutive pages that a rule maps. */
const PAGES = 4;

/** Maps consecutive pages and reads each, so that the TLB is filled. @returns their addresses */
function mapAndTouch(bench: Bench, start: bigint): readonly bigint[] {
  const { pageShift } = bench.format.geometry;
  const level = bench.lastLevel;
  return Array.from({ length: PAGES }, (_, page) => {
    const address = start + (BigInt(page) << BigInt(pageShift));
    bench.put(address, level, leafFor(bench, address, level, bench.dataPfn + page));
    bench.attempt(address, Access.READ, privilegeFor(bench, address));
    return address;
  });
}

/** Clears the entry of an address without an invalidation. */
function unmap(bench: Bench, address: bigint, level = bench.lastLevel): void {
  bench.put(address, level, { high: 0, low: 0 });
}

const isReadable = (bench: Bench, address: bigint): boolean =>
  bench.attempt(address, Access.READ, privilegeFor(bench, address)) === undefined;

const audit: ConformanceRule = {
  id: "tlb/stale",
  sentence: "the audit finds a stale TLB entry, and none while the tables are unchanged",
  source: `${SOURCE}: contract Mmu.auditTlb`,
  check({ plugin }, report) {
    for (const start of [new Bench(plugin).pgtable.layout.vmallocStart, USER_ADDRESS]) {
      const bench = new Bench(plugin);
      const addresses = mapAndTouch(bench, start);
      const before = bench.cpu.mmu.auditTlb(() => undefined);
      if (before !== 0) report(`the audit finds ${before} stale TLB entries while the tables are unchanged`);
      unmap(bench, addresses[1]!);
      const stale: bigint[] = [];
      const found = bench.cpu.mmu.auditTlb((high, low) => stale.push(fromWords(high, low)));
      if (found !== stale.length) report(`the audit returns ${found} and reports ${stale.length} stale TLB entries`);
      const bytes = 2n ** BigInt(bench.format.geometry.pageShift);
      const inPage = stale.filter((address) => address >= addresses[1]! && address < addresses[1]! + bytes);
      if (inPage.length < stale.length) report("the audit reports a page whose entry is unchanged");
      if (isReadable(bench, addresses[1]!) && inPage.length === 0) {
        report("a page without an entry can be read, and the audit does not report it");
      }
    }
  },
};

/** The operations that invalidate the second of the mapped pages. */
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
    "after an invalidation by page, range, ASID or all, a page without an entry faults; pages with an entry do not",
  source: SOURCE,
  check({ plugin }, report) {
    for (const start of [new Bench(plugin).pgtable.layout.vmallocStart, USER_ADDRESS]) {
      const operations = start === USER_ADDRESS ? [...INVALIDATIONS, ASID] : INVALIDATIONS;
      for (const [name, run] of operations) {
        const bench = new Bench(plugin);
        const addresses = mapAndTouch(bench, start);
        unmap(bench, addresses[1]!);
        const before = bench.cpu.counters.tlbInvalidations;
        run(bench, addresses[1]!);
        if (bench.cpu.counters.tlbInvalidations !== before + 1) report(`${name} is not counted as one invalidation`);
        if (isReadable(bench, addresses[1]!)) report(`after ${name} a page without an entry can be read`);
        for (const other of [0, 2, 3])
          if (!isReadable(bench, addresses[other]!)) report(`after ${name} a page with an entry cannot be read`);
        const left = bench.cpu.mmu.auditTlb(() => undefined);
        if (left !== 0) report(`after ${name} the audit finds ${left} stale TLB entries`);
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
  sentence: "an invalidation of any page of a block invalidates the block",
  source: SOURCE,
  check({ plugin }, report) {
    const geometry = new Bench(plugin).format.geometry;
    geometry.levels.forEach(({ leaf, shift, name }, level) => {
      const bench = new Bench(plugin);
      const { layout } = bench.pgtable;
      const start = (layout.vmallocStart >> BigInt(shift)) << BigInt(shift);
      if (!leaf || !fitsIntoRam(bench, level) || level === bench.lastLevel) return;
      bench.put(start, level, leafFor(bench, start, level, bench.dataPfn));
      const far = start + (1n << BigInt(shift - 1)) + 8n;
      for (const address of [start, far]) if (!isReadable(bench, address)) report(`a block at ${name} cannot be read`);
      unmap(bench, start, level);
      const { high, low } = toWords(start + (1n << BigInt(geometry.pageShift)));
      bench.cpu.mmu.invalidatePage(high, low);
      for (const address of [start, far]) {
        if (isReadable(bench, address)) report(`after invalidatePage a block at ${name} without an entry can be read`);
      }
    });
  },
};

const spaces: ConformanceRule = {
  id: "tlb/spaces",
  sentence: "after a switch of the address space no translation of the previous one is used",
  source: `${SOURCE}; contract Mmu.setUserRoot`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, lastLevel } = bench;
    const [first] = mapAndTouch(bench, USER_ADDRESS);
    const { userRoot, userRootIndex } = cpu.mmu;
    const other = bench.newRoot();
    cpu.mmu.setUserRoot(other, toAsid(2));
    if (isReadable(bench, first!)) report("a page of the previous address space can be read");
    bench.put(USER_ADDRESS, lastLevel, leafFor(bench, USER_ADDRESS, lastLevel, bench.dataPfn + PAGES), other);
    if (!isReadable(bench, first!)) report("a page of the new address space cannot be read");
    cpu.mmu.setUserRoot(userRoot, toAsid(1), userRootIndex);
    if (!isReadable(bench, first!)) report("after the switch back a page cannot be read");
    const left = cpu.mmu.auditTlb(() => undefined);
    if (left !== 0) report(`the audit finds ${left} stale TLB entries while the tables are unchanged`);
  },
};

const register: ConformanceRule = {
  id: "tlb/register",
  sentence: "a write of the key register applies to pages in the TLB without an invalidation",
  source: `${SOURCE}: rights of keys are not cached in TLBs (Arm ARM, I_SKPNZ; SDM volume 3, Protection Keys)`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const address = bench.pgtable.layout.vmallocStart;
    bench.mapPage(address, "PAGE_KERNEL", bench.managed);
    for (let round = 0; round < 4; round++) {
      const open = round % 2 === 0;
      bench.setRegister(open ? bench.open : bench.kpkeys.initialValue());
      for (let again = 0; again < 3; again++) {
        const what = `a write with its key ${open ? "open" : "read-only"}`;
        checkOutcome(report, what, bench.attempt(address, Access.WRITE), open ? undefined : FaultKind.PKEY);
      }
    }
  },
};

const rekey: ConformanceRule = {
  id: "tlb/rekey",
  sentence: "after a change of a page's key and an invalidation, the new key applies",
  source: `${SOURCE}; set_memory_pkey of the series`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { managed, kpkeys, cpu } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    const { high, low } = toWords(address);
    bench.setRegister(kpkeys.initialValue());
    for (const pkey of [0, managed, 0, managed]) {
      bench.mapPage(address, "PAGE_KERNEL", pkey);
      cpu.mmu.invalidatePage(high, low);
      const kind = bench.attempt(address, Access.WRITE);
      checkOutcome(report, `a write to a page with key ${pkey}`, kind, pkey === 0 ? undefined : FaultKind.PKEY);
    }
  },
};

/** Rules of the TLB. */
export const TLB_RULES: readonly ConformanceRule[] = [audit, invalidate, blocks, spaces, register, rekey];
