import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toPfn } from "../../src/contracts/index.js";
import type { MemoryBank, Words } from "../../src/contracts/index.js";
import { createPhysicalMemory, toWords } from "../../src/machine/index.js";
import type { PhysicalMemoryOptions } from "../../src/machine/index.js";
import { storageOf } from "../../src/machine/physical-memory.js";
import type { SparseMemory } from "../../src/machine/physical-memory.js";

const BANKS = [
  { firstPfn: toPfn(3), pages: 5 },
  { firstPfn: toPfn(8), pages: 1 },
  { firstPfn: toPfn(0x80000), pages: 40 },
];
const inside = fc.constantFrom(...BANKS).chain(({ firstPfn, pages }) => fc.nat(pages - 1).map((n) => firstPfn + n));
const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const operation = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant("write"), pfn: inside, index: fc.nat(511), high: word, low: word }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("zero"),
      pfn: inside,
      index: fc.nat(511),
      high: fc.constant(0),
      low: fc.constant(0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("materialise"), pfn: inside, index: fc.nat(511), high: word, low: word }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("reset"), pfn: inside, index: fc.nat(511), high: word, low: word }),
  },
);

/** RAM with its storage. */
function createStorage(banks: readonly MemoryBank[], options?: PhysicalMemoryOptions): SparseMemory {
  return storageOf(createPhysicalMemory(banks, options));
}

describe("physical memory", () => {
  test("reads the last value written to each entry, and zero elsewhere and after a reset", () => {
    const memory = createStorage(BANKS);
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        memory.reset();
        const model = new Map<string, Words>();
        const everWritten = new Set<string>();
        const touched = new Set<number>();
        for (const { kind, pfn, index, high, low } of operations) {
          const key = `${pfn}/${index}`;
          everWritten.add(key);
          if (kind === "reset") {
            memory.reset();
            model.clear();
            touched.clear();
          } else if (kind === "materialise") {
            const offset = memory.materialise(pfn);
            expect(offset).toBe(memory.contentOffset(pfn));
            memory.words[offset + index * 2] = low;
            memory.words[offset + index * 2 + 1] = high;
            model.set(key, { high, low });
            touched.add(pfn);
          } else {
            memory.write(pfn, index, { high, low });
            model.set(key, { high, low });
            if ((high | low) !== 0) touched.add(pfn);
          }
          expect(memory.read(pfn, index)).toEqual(model.get(key) ?? { high: 0, low: 0 });
          expect(memory.contentOffset(pfn) === -1).toBe(!touched.has(pfn));
        }
        for (const key of everWritten) {
          const [pfn, index] = key.split("/").map(Number);
          expect(memory.read(pfn!, index!)).toEqual(model.get(key) ?? { high: 0, low: 0 });
        }
        expect(memory.materialisedPages).toBe(touched.size);
      }),
    );
  });

  test("reads the same from a run and from a page written entry by entry", () => {
    const step = fc.record({
      pfn: inside,
      index: fc.nat(511),
      high: word,
      low: fc.oneof(word, fc.constantFrom(0, -1, 0xfffff703 | 0)),
      step: fc.constantFrom(0, 1, 4096, 2 ** 31 - 1),
      kind: fc.constantFrom("run", "run", "write", "materialise", "reset"),
    });
    const page = new Int32Array(1024);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const runs = createStorage(BANKS);
        const entries = createStorage(BANKS);
        for (const { pfn, index, high, low, step, kind } of steps) {
          if (kind === "reset") {
            runs.reset();
            entries.reset();
          } else if (kind === "write") {
            runs.write(pfn, index, { high, low });
            entries.write(pfn, index, { high, low });
          } else if (kind === "materialise") runs.materialise(pfn);
          else {
            runs.writeRun(pfn, high, low, step);
            let value = (BigInt(high) << 32n) | BigInt(low >>> 0);
            for (let i = 0; i < 512; i++, value += BigInt(step)) {
              entries.write(pfn, i, toWords(value));
            }
          }
          runs.readPage(pfn, page);
          const wanted = Array.from({ length: 512 }, (_, i) => entries.read(pfn, i));
          expect([...page]).toEqual(wanted.flatMap(({ high, low }) => [low, high]));
          expect(runs.read(pfn, index)).toEqual(wanted[index]);
        }
      }),
    );
  });

  test("stores a page that was filled with a run without content until it is changed", () => {
    const memory = createStorage([{ firstPfn: toPfn(0), pages: 1024 }]);
    memory.writeRun(7, 1, -4096, 4096);
    memory.write(7, 1, { high: 2, low: 0 });
    expect([memory.materialisedPages, memory.contentOffset(7), memory.read(7, 1).high]).toEqual([0, -1, 2]);
    memory.write(7, 1, { high: 3, low: 0 });
    expect([memory.materialisedPages, memory.read(7, 1).high, memory.read(7, 2).low]).toEqual([1, 3, 4096]);
  });

  test("contains the pages of its banks and no others", () => {
    const memory = createStorage(BANKS);
    const contains = [2, 3, 7, 8, 9, 0x7ffff, 0x80000, 0x80027, 0x80028, -1, 2 ** 40].map((pfn) =>
      memory.contains(pfn),
    );
    expect(contains).toEqual([false, true, true, true, false, false, true, true, false, false, false]);
    expect([memory.firstPfn, memory.endPfn]).toEqual([3, 0x80028]);
  });

  test("rejects a write outside RAM; the error names the address", () => {
    const memory = createStorage(BANKS);
    expect(() => {
      memory.write(9, 0, { high: 0, low: 1 });
    }).toThrow(expect.objectContaining({ code: "ERR_PHYSICAL_ADDRESS" }));
    expect(() => {
      memory.write(9, 0, { high: 0, low: 0 });
    }).toThrow(expect.objectContaining({ code: "ERR_PHYSICAL_ADDRESS" }));
    expect([memory.read(9, 0).low, memory.contentOffset(9), memory.contentOffset(-1)]).toEqual([0, -1, -1]);
  });

  test("fails if more pages need content than are reserved", () => {
    const memory = createStorage(BANKS, { reservePages: 2 });
    memory.write(3, 0, { high: 0, low: 1 });
    memory.write(4, 0, { high: 1, low: 0 });
    memory.write(3, 511, { high: 1, low: 0 });
    expect(() => {
      memory.write(5, 0, { high: 0, low: 1 });
    }).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }));
    memory.reset();
    memory.write(5, 0, { high: 0, low: 1 });
    expect(memory.read(5, 0).low).toBe(1);
  });

  test("stores the content of more than 2^18 pages, as for two hundred thousand processes", () => {
    const { words } = createStorage([{ firstPfn: toPfn(0), pages: 2 ** 22 }]);
    expect(words.length).toBeGreaterThan(2 ** 28);
    expect(words.length).toBeLessThanOrEqual(2 ** 31);
  });

  test("of another implementation is rejected by a CPU", () => {
    const memory = createPhysicalMemory(BANKS);
    expect(storageOf(memory)).toBe(memory);
    const contains = (): boolean => memory.contains(toPfn(3));
    expect(() => storageOf({ ...memory, contains })).toThrow(expect.objectContaining({ code: "ERR_API_MISUSE" }));
  });

  test("of 1 TiB uses host memory for written pages only", () => {
    const memory = createStorage([{ firstPfn: toPfn(0x80000), pages: 2 ** 28 }]);
    memory.write(0x80000 + 2 ** 28 - 1, 511, { high: -1, low: -2 });
    expect(memory.read(0x80000 + 2 ** 28 - 1, 511)).toEqual({ high: -1, low: -2 });
    expect(memory.materialisedPages).toBe(1);
  });

  test.each([
    ["no bank", []],
    ["an empty bank", [{ firstPfn: toPfn(0), pages: 0 }]],
    ["half a page", [{ firstPfn: toPfn(0), pages: 1.5 }]],
    ["a negative start", [{ firstPfn: toPfn(-1), pages: 2 }]],
    [
      "banks out of order",
      [
        { firstPfn: toPfn(10), pages: 1 },
        { firstPfn: toPfn(0), pages: 1 },
      ],
    ],
    [
      "banks that overlap",
      [
        { firstPfn: toPfn(0), pages: 2 },
        { firstPfn: toPfn(1), pages: 2 },
      ],
    ],
    ["more than 1 TiB", [{ firstPfn: toPfn(0), pages: 2 ** 28 + 1 }]],
    ["frames beyond 8 TiB", [{ firstPfn: toPfn(2 ** 31 - 1), pages: 2 }]],
  ])("is not made of %s", (_what, banks) => {
    expect(() => createStorage(banks)).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });
});
