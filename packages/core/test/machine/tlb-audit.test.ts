import { toPfn, toAsid } from "../../src/contracts/index.js";
import { describe, expect, test } from "vitest";
import { OK } from "../../src/contracts/index.js";
import { A, createToy, D, FIRST_DATA_PFN, G, high, leaf, low, S, U, W } from "./toy.js";
import type { Toy } from "./toy.js";

const KERNEL_VA = 0xffffff8000201000n;
const OTHER_VA = 0xffffff8012345000n;
const USER_VA = 0x40000000n;

const load = (toy: Toy, address: bigint): number => toy.cpu.load64(high(address), low(address));
const store = (toy: Toy, address: bigint): number => toy.cpu.store64(high(address), low(address), 0, 7);

/** The pages that the audit reports, as bigints. */
function stale(toy: Toy): bigint[] {
  const pages: bigint[] = [];
  const count = toy.cpu.mmu.auditTlb((h, l) => {
    pages.push((BigInt(h >>> 0) << 32n) | BigInt(l >>> 0));
  });
  expect(count).toBe(pages.length);
  return pages;
}

/** A page that was read and another that stays as it is. */
function warm(bits: number): { toy: Toy; table: number; index: number } {
  const toy = createToy({ tlb: { sets: 2, ways: 4, replacement: "lru", seed: 1 } });
  toy.map(toy.kernelRoot, OTHER_VA, leaf(FIRST_DATA_PFN + 9, W | G));
  const place = toy.map(toy.kernelRoot, KERNEL_VA, leaf(FIRST_DATA_PFN, bits, 2));
  expect([load(toy, OTHER_VA), load(toy, KERNEL_VA + 0xff8n)]).toEqual([OK, OK]);
  expect(stale(toy)).toEqual([]);
  return { toy, ...place };
}

describe("a translation is stale", () => {
  test.each([
    ["its page is another", leaf(FIRST_DATA_PFN + 1, A | G | W, 2)],
    ["its page has a number beyond those of RAM", leaf(2 ** 36, A | G | W, 2)],
    ["its key is another", leaf(FIRST_DATA_PFN, A | G | W, 3)],
    ["it has fewer rights", leaf(FIRST_DATA_PFN, A | G, 2)],
    ["it has more rights", leaf(FIRST_DATA_PFN, A | G | W | U, 2)],
    ["it is not global any more", leaf(FIRST_DATA_PFN, A | W, 2)],
    ["a bit is set that is reserved", leaf(FIRST_DATA_PFN, A | G | W | S, 2)],
    ["nothing is there", 0n],
  ])("when by the tables %s, until it is invalidated", (_what, entry) => {
    const { toy, table, index } = warm(G | W);
    toy.memory.write(table, index, { high: high(entry), low: low(entry) });
    expect(stale(toy)).toEqual([KERNEL_VA]);
    toy.cpu.mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA));
    expect(stale(toy)).toEqual([]);
  });

  test("if a block became a table of equal pages", () => {
    const toy = createToy();
    const block = KERNEL_VA & ~0x1fffffn;
    toy.map(toy.kernelRoot, block, leaf(0x2000, G | W), 1);
    expect(load(toy, KERNEL_VA)).toBe(OK);
    const table = toy.memory.read(toy.kernelRoot, 0).low >>> 12;
    const split = toy.allocate();
    toy.memory.write(split, 1, { high: 0, low: low(leaf(0x2001, A | G | W)) });
    toy.memory.write(table, 1, { high: 0, low: (split << 12) | 1 });
    expect(stale(toy)).toEqual([KERNEL_VA]);
  });

  test("if its dirty state was cleared, which hardware would not set again", () => {
    const { toy, table, index } = warm(G | W);
    expect(store(toy, KERNEL_VA)).toBe(OK);
    expect(stale(toy)).toEqual([]);
    toy.memory.write(table, index, { high: high(leaf(0, 0, 2)), low: low(leaf(FIRST_DATA_PFN, A | G | W, 2)) });
    expect(stale(toy)).toEqual([KERNEL_VA]);
  });

  test("if another root has got its ASID", () => {
    const toy = createToy();
    toy.map(toy.userRoot, USER_VA, leaf(FIRST_DATA_PFN, W));
    expect(load(toy, USER_VA)).toBe(OK);
    toy.cpu.mmu.setUserRoot(toPfn(toy.allocate()), toAsid(2));
    expect(stale(toy)).toEqual([]);
    toy.cpu.mmu.setUserRoot(toPfn(toy.allocate()), toAsid(1));
    expect(stale(toy)).toEqual([USER_VA]);
  });

  test("also in an address space that is not the current one", () => {
    const toy = createToy();
    const { table, index } = toy.map(toy.userRoot, USER_VA, leaf(FIRST_DATA_PFN, W));
    expect(load(toy, USER_VA)).toBe(OK);
    toy.cpu.mmu.setUserRoot(toPfn(toy.allocate()), toAsid(2));
    toy.memory.write(table, index, { high: 0, low: 0 });
    expect(stale(toy)).toEqual([USER_VA]);
    toy.cpu.mmu.invalidateAsid(toAsid(1));
    expect(stale(toy)).toEqual([]);
  });
});

describe("a translation is not stale", () => {
  test("if its page has become dirty since: a write through it walks again", () => {
    const { toy, table, index } = warm(G | W);
    toy.memory.write(table, index, { high: high(leaf(0, 0, 2)), low: low(leaf(FIRST_DATA_PFN, A | D | G | W, 2)) });
    expect(stale(toy)).toEqual([]);
    toy.memory.write(table, index, { high: high(leaf(0, 0, 2)), low: low(leaf(FIRST_DATA_PFN, A | D | G, 2)) });
    expect(stale(toy)).toEqual([KERNEL_VA]);
  });

  test("if the accessed flag was cleared", () => {
    const { toy, table, index } = warm(G | W);
    toy.memory.write(table, index, { high: high(leaf(0, 0, 2)), low: low(leaf(FIRST_DATA_PFN, G | W, 2)) });
    expect(stale(toy)).toEqual([]);
    expect(toy.memory.read(table, index).low & A).toBe(0);
  });
});

test("the audit changes nothing: no count, no fault, no entry, no table, no order of eviction", () => {
  const ends = [true, false].map((audits) => {
    const { toy, table, index } = warm(W | G);
    const { cpu, memory } = toy;
    expect(store(toy, KERNEL_VA + 0x4000n)).not.toBe(OK);
    memory.write(table, index, { high: high(leaf(0, 0, 3)), low: low(leaf(FIRST_DATA_PFN, G | W, 3)) });
    if (audits) expect(stale(toy)).toEqual([KERNEL_VA]);
    const seen = [];
    for (let page = 2; page < 20; page += 2) {
      const address = KERNEL_VA + BigInt(page << 12);
      toy.map(toy.kernelRoot, address, leaf(FIRST_DATA_PFN + page, W | G));
      load(toy, address);
      if (page % 3 === 0) load(toy, KERNEL_VA);
      if (audits) cpu.mmu.auditTlb(() => undefined);
      seen.push({ ...cpu.counters }, { ...cpu.fault }, memory.read(table, index).low);
    }
    return seen;
  });
  expect(ends[0]).toEqual(ends[1]);
});

test("no address space finds two translations of a page: the new one replaces the old one", () => {
  const toy = createToy({ tlb: { sets: 1, ways: 4, replacement: "fifo", seed: 1 } });
  const { mmu } = toy.cpu;
  const map = (pfn: number, bits: number): void => {
    toy.map(toy.userRoot, USER_VA, leaf(FIRST_DATA_PFN + pfn, A | bits));
  };
  toy.memory.write(FIRST_DATA_PFN, 0, { high: 0, low: 1 });
  toy.memory.write(FIRST_DATA_PFN + 1, 0, { high: 0, low: 2 });
  map(0, W);
  for (const asid of [1, 2]) {
    mmu.setUserRoot(toPfn(toy.userRoot), toAsid(asid));
    expect([load(toy, USER_VA), toy.cpu.valueLow]).toEqual([OK, 1]);
  }
  mmu.setUserRoot(toPfn(toy.userRoot), toAsid(3));
  map(1, W | G);
  for (const asid of [3, 2, 1]) {
    mmu.setUserRoot(toPfn(toy.userRoot), toAsid(asid));
    expect([load(toy, USER_VA), toy.cpu.valueLow]).toEqual([OK, 2]);
  }
  expect(stale(toy)).toEqual([]);
  map(0, W);
  expect(stale(toy)).toEqual([USER_VA]);
  expect(store(toy, USER_VA)).toBe(OK);
  expect(stale(toy)).toEqual([]);
});

test("translations of another address space are compared with its root, also if the root is shared with the kernel", () => {
  const toy = createToy({ splitRoots: false, asids: true, tlb: { sets: 1, ways: 4, replacement: "lru", seed: 1 } });
  const { mmu } = toy.cpu;
  const roots = [toy.kernelRoot, toy.allocate()];
  roots.forEach((root, i) => {
    toy.map(root, USER_VA, leaf(FIRST_DATA_PFN + i, A | W));
    mmu.setUserRoot(toPfn(root), toAsid(1 + i));
    expect(load(toy, USER_VA)).toBe(OK);
  });
  expect(stale(toy)).toEqual([]);
  toy.map(roots[0]!, USER_VA, leaf(FIRST_DATA_PFN + 5, A | W));
  expect(stale(toy)).toEqual([USER_VA]);
  mmu.setUserRoot(toPfn(roots[0]!), toAsid(1));
  expect(stale(toy)).toEqual([USER_VA]);
});
