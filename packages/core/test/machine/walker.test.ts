import { toPfn } from "../../src/contracts/index.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Access, FAULT, FaultKind, OK, Privilege } from "../../src/contracts/index.js";
import type { WalkStep } from "../../src/contracts/index.js";
import { toBytes } from "../../src/words.js";
import { Walker } from "../../src/machine/walker.js";
import { A, createToy, D, FIRST_DATA_PFN, G, high, leaf, low, S, U, V, W } from "./toy.js";
import type { Toy } from "./toy.js";

/** Geometries of 33 to 52 address bits, none of them an existing one: 3 to 6 levels of 1 to 9 index bits. */
const geometry = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 6 }).filter((bits) => {
  const total = 12 + bits.reduce((sum, n) => sum + n, 0);
  return total >= 33 && total <= 52;
});

/** An address of a regime's kernel half, or user half, from any bits. */
function canonical(toy: Toy, bits: bigint, kernel: boolean): bigint {
  const significant = toy.regime.addressBits - (toy.regime.splitRoots ? 0 : 1);
  const offset = BigInt.asUintN(significant, bits) & ~7n;
  return kernel ? offset | ((BigInt.asUintN(64, -1n) << BigInt(significant)) & BigInt.asUintN(64, -1n)) : offset;
}

const rootOf = (toy: Toy, kernel: boolean): number => (kernel ? toy.kernelRoot : toy.userRoot);

describe("the walker", () => {
  test("finds the page of the tables, for every geometry", () => {
    fc.assert(
      fc.property(
        geometry,
        fc.boolean(),
        fc.array(fc.record({ bits: fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }), kernel: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.nat(0xffff),
        (indexBits, splitRoots, places, salt) => {
          const toy = createToy({ indexBits, splitRoots, asids: splitRoots });
          const pages = new Map<bigint, number>();
          places.forEach(({ bits, kernel }, n) => {
            const address = canonical(toy, bits, kernel);
            const pfn = FIRST_DATA_PFN + ((salt + n * 977) & 0xffff);
            toy.map(rootOf(toy, kernel), address, leaf(pfn, W));
            pages.set(address >> 12n, pfn);
          });
          for (const { bits, kernel } of places) {
            const address = canonical(toy, bits, kernel);
            const pfn = pages.get(address >> 12n)!;
            expect(toy.cpu.store64(high(address), low(address), 0x1234, salt)).toBe(OK);
            const index = Number((address & 0xfffn) >> 3n);
            expect(toy.memory.read(pfn, index)).toEqual({ high: 0x1234, low: salt });
            const other = address ^ 0x1000n;
            if (!pages.has(other >> 12n)) expect(toy.cpu.load64(high(other), low(other))).toBe(FAULT);
          }
        },
      ),
    );
  });

  test("gives every page of a block its own frame, at every level", () => {
    fc.assert(
      fc.property(geometry, fc.nat(10), fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }), (indexBits, pick, bits) => {
        const toy = createToy({ indexBits });
        const level = pick % indexBits.length;
        const pages = 2 ** (toy.regime.levels[level]!.shift - 12);
        fc.pre(pages <= 0x10000);
        const address = canonical(toy, bits, true);
        toy.map(toy.kernelRoot, address, leaf(0x10000, W), level);
        expect(toy.cpu.store64(high(address), low(address), 0, 7)).toBe(OK);
        const pfn = 0x10000 + Number((address >> 12n) & BigInt(pages - 1));
        expect(toy.memory.read(pfn, Number((address & 0xfffn) >> 3n)).low).toBe(7);
      }),
    );
  });

  test("reports the level and the entry at which it ended", () => {
    const toy = createToy();
    const address = 0xffffffc012345000n;
    const levels: [WalkStep["type"], number][] = [];
    const place = toy.map(toy.kernelRoot, address, leaf(FIRST_DATA_PFN, 0));
    const steps: WalkStep[] = [];
    toy.cpu.mmu.walk(high(address), low(address), (step) => steps.push(step));
    for (const { type, level } of steps) levels.push([type, level]);
    expect(levels).toEqual([
      ["table", 0],
      ["table", 1],
      ["leaf", 2],
    ]);
    expect(steps[2]).toMatchObject({ ...place, low: low(leaf(FIRST_DATA_PFN, 0)) });

    toy.memory.write(steps[1]!.table, steps[1]!.index, { high: 0, low: 0 });
    expect(toy.cpu.load64(high(address), low(address))).toBe(FAULT);
    expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.TRANSLATION, level: 1, entryLow: 0, entryHigh: 0, pkey: 0 });
    expect([toy.cpu.fault.addressHigh, toy.cpu.fault.addressLow]).toEqual([high(address), low(address)]);
  });

  test("decodes the type from both words: the bits of a mask of 64 bits, at a level with leaves or without", () => {
    const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const bit = fc.nat(63).map((at) => 1n << BigInt(at));
    // The types differ in one bit, and so does an entry that has neither.
    const bits = fc.record({
      mask: word,
      table: word,
      ofLeaf: fc.option(bit, { nil: undefined }),
      entry: word,
      wrong: bit,
    });
    fc.assert(
      fc.property(bits, fc.constantFrom("table", "leaf", "neither"), (drawn, wanted) => {
        const { table, ofLeaf: leafBit, entry, wrong } = drawn;
        const mask = drawn.mask | (leafBit ?? 0n) | wrong;
        const [ofTable, ofLeaf] = [table & mask, leafBit === undefined ? undefined : (table & mask) ^ leafBit];
        const type = wanted === "table" ? ofTable : wanted === "leaf" ? ofLeaf : ofTable ^ wrong;
        const stored = (entry & ~mask) | (type ?? ofTable ^ wrong);
        const level = {
          typeMask: low(mask),
          table: low(ofTable),
          leaf: ofLeaf === undefined ? -1 : low(ofLeaf),
          high: { typeMask: high(mask), table: high(ofTable), leaf: ofLeaf === undefined ? -1 : high(ofLeaf) },
        };
        // -1 in both words is a type only if the mask has all bits: the value of a level without leaves.
        fc.pre(mask !== 2n ** 64n - 1n);
        const toy = createToy();
        const regime = { ...toy.regime, levels: toy.regime.levels.map(({ shift }) => ({ shift, ...level })) };
        const walker = new Walker(regime, toy.memory);
        toy.memory.write(toy.kernelRoot, 0, { high: high(stored), low: low(stored) });
        const steps: WalkStep[] = [];
        walker.run(high(0xffffff8000000000n), 0, toy.kernelRoot, 0, false, (step) => steps.push(step));
        const expected = (stored & mask) === ofTable ? "table" : (stored & mask) === ofLeaf ? "leaf" : "invalid";
        expect(steps[0]!.type).toBe(expected);
      }),
    );
  });

  test.each([
    ["little", "little"],
    ["little", "big"],
    ["big", "little"],
    ["big", "big"],
  ] as const)("of a %s-endian CPU reads %s-endian entries, and writes their flags", (byteOrder, entryByteOrder) => {
    const address = fc.bigInt({ min: 0xffffff8000000000n, max: 2n ** 64n - 8n });
    fc.assert(
      fc.property(address, fc.nat(0xfff), fc.nat(2 ** 32 - 1), (bits, page, value) => {
        const toy = createToy({ byteOrder, entryByteOrder });
        const at = bits & ~7n;
        const entry = leaf(FIRST_DATA_PFN + page, W | G);
        const { table, index } = toy.map(toy.kernelRoot, at, entry);
        const bytes = (): number[] => [...toBytes(toy.memory.read(table, index), byteOrder)];
        const big = (flags: number): number[] => {
          const view = new DataView(new ArrayBuffer(8));
          view.setBigUint64(0, entry | BigInt(flags));
          const all = [...new Uint8Array(view.buffer)];
          return entryByteOrder === "big" ? all : all.toReversed();
        };
        expect(bytes()).toEqual(big(0));
        expect(toy.cpu.store64(high(at), low(at), 7, value)).toBe(OK);
        expect(bytes()).toEqual(big(A | D));
        toy.cpu.mmu.invalidateAll();
        expect([toy.cpu.load64(high(at), low(at)), toy.cpu.valueLow]).toEqual([OK, value | 0]);
        expect(toy.memory.read(FIRST_DATA_PFN + page, Number((at >> 3n) & 511n))).toEqual({ high: 7, low: value | 0 });
        const copy = new Int32Array(1024);
        toy.memory.readTable(table, copy);
        expect([copy[2 * index + 1], copy[2 * index]]).toEqual([high(entry), low(entry) | A | D]);
      }),
    );
  });

  test("called by a tool has no side effects: no accessed flag, no TLB entry, no counter", () => {
    const toy = createToy();
    const { table, index } = toy.map(toy.kernelRoot, 0xffffff8000000000n, leaf(FIRST_DATA_PFN, W));
    const steps: WalkStep[] = [];
    toy.cpu.mmu.walk(0xffffff80 | 0, 0, (step) => steps.push(step));
    expect(steps.every((step) => (toy.memory.read(step.table, step.index).low & A) === 0)).toBe(true);
    expect(toy.cpu.counters.walks).toBe(0);
    toy.memory.write(table, index, { high: 0, low: 0 });
    expect(toy.cpu.load64(0xffffff80 | 0, 0)).toBe(FAULT);
  });

  test("sets the accessed flag of tables on the way and of the leaf, and the dirty flag for writes that are allowed", () => {
    const toy = createToy();
    const address = 0xffffff8000000000n;
    const { table, index } = toy.map(toy.kernelRoot, address, leaf(FIRST_DATA_PFN, 0));
    expect(toy.cpu.store64(high(address), low(address), 0, 1)).toBe(FAULT);
    expect(toy.cpu.fault.entryLow).toBe(toy.memory.read(table, index).low);
    expect(toy.memory.read(toy.kernelRoot, 0).low & A).toBe(A);
    expect(toy.memory.read(table, index).low & (A | D)).toBe(0);
    expect(toy.cpu.load64(high(address), low(address))).toBe(OK);
    expect(toy.memory.read(table, index).low & (A | D)).toBe(A);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, W)) });
    toy.cpu.mmu.invalidatePage(high(address), low(address));
    expect(toy.cpu.load64(high(address), low(address))).toBe(OK);
    expect(toy.memory.read(table, index).low & (A | D)).toBe(A);
    expect(toy.cpu.store64(high(address), low(address), 0, 1)).toBe(OK);
    expect(toy.memory.read(table, index).low & (A | D)).toBe(A | D);
  });

  test("stops at an entry with a reserved bit", () => {
    const toy = createToy();
    const address = 0xffffffc012345000n;
    toy.map(toy.kernelRoot, address, leaf(FIRST_DATA_PFN, 0));
    const steps: WalkStep[] = [];
    toy.cpu.mmu.walk(high(address), low(address), (step) => steps.push(step));
    const { table, index, low: entry } = steps[1]!;
    toy.memory.write(table, index, { high: 0, low: entry | S });
    expect(toy.cpu.load64(high(address), low(address))).toBe(FAULT);
    expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.RESERVED, level: 1, entryLow: entry | S });
    expect(toy.memory.read(table, index).low & A).toBe(0);
  });

  test("reports the entry that points to a table outside RAM", () => {
    const toy = createToy();
    for (const entryHigh of [0x7ff, 0x800, 0x1000, 0xfffff]) {
      toy.memory.write(toy.kernelRoot, 0, { high: entryHigh, low: (FIRST_DATA_PFN << 12) | V });
      expect(toy.cpu.access(0xffffff80 | 0, 0, Access.READ, Privilege.KERNEL)).toBe(FAULT);
      expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.ADDRESS_SIZE, level: 0, entryHigh });
    }
    toy.cpu.mmu.setKernelRoot(toPfn(0x7fffffff));
    expect(toy.cpu.load64(0xffffff80 | 0, 0)).toBe(FAULT);
    expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.ADDRESS_SIZE, level: 0, entryHigh: 0, entryLow: 0 });
  });

  test("translates to a page outside RAM; loads and stores fault", () => {
    const toy = createToy();
    for (const pfn of [0x40000, 0x7fffffff, 2 ** 31, 2 ** 32 + FIRST_DATA_PFN, 2 ** 40 - 1]) {
      const address = 0xffffff8000000000n;
      toy.map(toy.kernelRoot, address, leaf(pfn, W | G | U));
      toy.cpu.mmu.invalidateAll();
      expect(toy.cpu.access(high(address), low(address), Access.WRITE, Privilege.USER)).toBe(OK);
      for (const status of [
        toy.cpu.load64(high(address), low(address)),
        toy.cpu.store64(high(address), low(address), 0, 1),
        toy.cpu.exchange64(high(address), low(address), 0, 0),
        toy.cpu.storeRun(high(address), low(address), 0, 0, 0, 4),
      ]) {
        expect(status).toBe(FAULT);
        expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.ADDRESS_SIZE, level: 2 });
      }
    }
  });

  test("reads address bits at another position of the entry", () => {
    // As arm64 with 64 KiB pages keeps 51:48 of the address in 15:12, here 33:32, which the toy's RAM reaches.
    const moved = { from: 12, bits: 2, to: 32 };
    const address = 0xffffff8000000000n;
    fc.assert(
      fc.property(fc.nat(3), fc.integer({ min: FIRST_DATA_PFN, max: 0xffff }), (above, frame) => {
        const toy = createToy({ pageShift: 16, indexBits: [10, 13], outputAddress: { highMask: 0, moved } });
        const entry = leaf(frame, W | G, 0, 16) | (BigInt(above) << 12n);
        toy.map(toy.kernelRoot, address, entry);
        expect(toy.cpu.store64(high(address), low(address), 0, 7)).toBe(OK);
        expect(toy.memory.read(above * 0x10000 + frame, 0).low).toBe(7);
      }),
    );
  });
});
