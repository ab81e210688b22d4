import { resolve } from "@kpkeys/core";
import { Errno, Gfp, SHRINK_STOP, toPfn } from "@kpkeys/core/contracts";
import type { InitPhase } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { codeOf } from "../../core/test/code-of.js";
import { blockGeometry, PAGES_PER_SPLIT, RESERVED_PAGES } from "../src/block-allocator/geometry.js";
import { BlockAllocatorStats, PgtablesWarnings } from "../src/index.js";
import { BLOCK, bootBlockToy, createBlockToy } from "./block-toy.js";
import type { BlockToy } from "./block-toy.js";

const PGTABLES = 1;
const KERNEL_TABLE = Gfp.KERNEL | Gfp.ZERO;
const USER_TABLE = KERNEL_TABLE | Gfp.ACCOUNT;
const SPLIT = Gfp.KERNEL | Gfp.PGTABLE_SPLIT;

const statsOf = ({ container }: BlockToy): BlockAllocatorStats => resolve(container, BlockAllocatorStats);
const warningsOf = ({ container }: BlockToy): PgtablesWarnings => resolve(container, PgtablesWarnings);

/** Allocates all runs of an order and above, so that only smaller ones are free. @returns their pages */
function takeAll(toy: BlockToy, order: number): number[] {
  const taken: number[] = [];
  for (let pfn = toy.take(order); pfn !== undefined; pfn = toy.take(order)) taken.push(pfn);
  return taken;
}

/** Frees exactly one run of an order. */
function leave(toy: BlockToy, taken: readonly number[], order: number): void {
  const pages = new Set(taken);
  const isRun = (pfn: number): boolean => {
    for (let i = 0; i < 2 ** order; i++) if (!pages.has(pfn + i)) return false;
    return true;
  };
  toy.give(
    taken.find((pfn) => pfn % 2 ** order === 0 && isRun(pfn))!,
    order,
  );
}

/** Allocates table pages until only the reserve is in the pool. */
function drainToReserve({ allocator, container }: BlockToy): void {
  while (resolve(container, BlockAllocatorStats).cached > RESERVED_PAGES) allocator.alloc("kernel", KERNEL_TABLE);
}

describe("the pool", () => {
  it("allocates zeroed pages that have the key, without changing the linear map", () => {
    const toy = bootBlockToy();
    const pfn = toy.allocator.alloc("user", USER_TABLE)!;
    expect(toy.keys[pfn]).toBe(PGTABLES);
    const before = toy.splitTables.length;
    toy.allocator.free(pfn);
    expect(toy.keys[pfn]).toBe(PGTABLES);
    expect(toy.allocator.alloc("user", USER_TABLE)).toBe(pfn);
    expect(toy.splitTables.length).toBe(before);
  });

  it("reserves the last four pages for splits: an ordinary allocation refills instead", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    const refills = [...statsOf(toy).refills.values()];
    expect(toy.allocator.alloc("kernel", SPLIT)).toBeGreaterThan(0);
    expect(statsOf(toy).cached).toBe(RESERVED_PAGES - 1);
    expect([...statsOf(toy).refills.values()]).toEqual(refills);
    const pfn = toy.allocator.alloc("kernel", KERNEL_TABLE)!;
    expect(statsOf(toy).refills.get(9)).toBe(2);
    expect(pfn % BLOCK).toBe(0);
  });

  it("refills with a block, else a contiguous run, else four pages", () => {
    expect([12, 14, 16].map((shift) => blockGeometry(shift).refillOrders)).toEqual([
      [9, 4, 2],
      [11, 7, 2],
      [9, 5, 2],
    ]);
    for (const order of [9, 4, 2]) {
      const toy = bootBlockToy();
      const taken = takeAll(toy, 0);
      drainToReserve(toy);
      leave(toy, taken, order);
      const before = statsOf(toy).refills.get(order) ?? 0;
      toy.allocator.alloc("kernel", KERNEL_TABLE);
      expect(statsOf(toy).refills.get(order)).toBe(before + 1);
    }
  });

  it("gains pages by its smallest refill, even if that needs a split of two levels", () => {
    for (const shift of [12, 14, 16]) expect(2 ** blockGeometry(shift).refillOrders.at(-1)!).toBe(2 * PAGES_PER_SPLIT);
    expect(RESERVED_PAGES).toBe(4);
  });

  it("fails without free memory, and works again once there is some", () => {
    const toy = bootBlockToy();
    const taken = takeAll(toy, 0);
    drainToReserve(toy);
    expect(toy.allocator.alloc("kernel", KERNEL_TABLE)).toBeUndefined();
    for (const pfn of taken) toy.give(pfn, 0);
    expect(toy.allocator.alloc("kernel", KERNEL_TABLE)).toBeGreaterThan(0);
  });

  it("fails and frees the chunk if the key cannot be set on it", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    const free = toy.free.slice();
    toy.failing = true;
    expect([toy.allocator.alloc("kernel", KERNEL_TABLE), toy.allocator.prepareSplit()]).toEqual([undefined, 0]);
    expect(toy.free).toEqual(free);
    expect(statsOf(toy).cached).toBe(RESERVED_PAGES);
    expect(warningsOf(toy)).toHaveLength(1);
  });

  it("does not refill for a split, which may be part of a refill", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    const pages = [1, 2, 3, 4, 5].map(() => toy.allocator.alloc("kernel", SPLIT));
    expect(pages.map((pfn) => pfn !== undefined)).toEqual([true, true, true, true, false]);
    expect(toy.take(9)).toBeGreaterThan(0);
  });

  it("charges user tables to their memory cgroup and uncharges them when freed", () => {
    const toy = bootBlockToy();
    const user = toy.allocator.alloc("user", USER_TABLE)!;
    const kernel = toy.allocator.alloc("kernel", KERNEL_TABLE)!;
    toy.allocator.free(kernel);
    expect([statsOf(toy).charged, statsOf(toy).uncharged]).toEqual([1, 0]);
    toy.allocator.free(user);
    expect([statsOf(toy).charged, statsOf(toy).uncharged]).toEqual([1, 1]);
  });

  it("warns of every unimplemented gfp flag, and of an allocation without GFP_KERNEL", () => {
    const skipKasan = 0x100;
    for (const gfp of [Gfp.KERNEL, KERNEL_TABLE, USER_TABLE, SPLIT]) {
      const toy = bootBlockToy();
      toy.allocator.alloc("kernel", gfp);
      expect(warningsOf(toy)).toEqual([]);
    }
    for (const gfp of [0, Gfp.ZERO, KERNEL_TABLE | skipKasan]) {
      const toy = bootBlockToy();
      expect(toy.allocator.alloc("kernel", gfp)).toBeGreaterThan(0);
      expect(warningsOf(toy)).toHaveLength(1);
    }
  });

  it("is not used on a CPU without kernel pkeys", () => {
    const toy = bootBlockToy({ supported: false });
    const pfn = toy.allocator.alloc("kernel", KERNEL_TABLE)!;
    expect([toy.keys[pfn], statsOf(toy).cached, toy.allocator.prepareSplit()]).toEqual([0, 0, 0]);
    toy.allocator.free(pfn);
    expect(toy.free[pfn]).toBe(1);
  });
});

describe("the split rule", () => {
  it("is ready while the reserve is complete, and for the task that refills", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    expect(toy.allocator.readyForSplit()).toBe(true);
    toy.allocator.alloc("kernel", SPLIT);
    expect(toy.allocator.readyForSplit()).toBe(false);

    const answers: boolean[] = [];
    toy.duringSetMemory = () => {
      answers.push(toy.allocator.readyForSplit());
      toy.tid = 2;
      answers.push(toy.allocator.readyForSplit());
      toy.tid = 1;
    };
    expect(toy.allocator.prepareSplit()).toBe(0);
    expect(answers).toEqual([true, false]);
    toy.duringSetMemory = undefined;
    expect(toy.allocator.readyForSplit()).toBe(true);
  });

  it("reports a deadlock when another task would wait for a refill", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    toy.allocator.alloc("kernel", SPLIT);
    toy.duringSetMemory = () => {
      toy.tid = 2;
      expect(codeOf(() => toy.allocator.prepareSplit())).toBe("ERR_DEADLOCK");
      toy.tid = 1;
      expect(codeOf(() => toy.allocator.alloc("kernel", KERNEL_TABLE))).toBe("ERR_DEADLOCK");
    };
    expect(toy.allocator.prepareSplit()).toBe(0);
  });
});

/** Events of a machine's memory, in any order. */
const steps = fc.array(
  fc.record({
    op: fc.constantFrom("alloc", "alloc", "alloc", "free", "key", "key", "unkey", "take", "give", "shrink"),
    which: fc.nat(0xffff),
    order: fc.constantFrom(0, 0, 1, 2, 3, 4, 9),
    count: fc.integer({ min: 1, max: 40 }),
  }),
  { minLength: 10, maxLength: 120 },
);

function pick<T>(list: T[], which: number): T | undefined {
  return list.splice(which % Math.max(1, list.length), 1)[0];
}

/** A machine with the pages that its users have allocated. */
class Life {
  readonly toy = bootBlockToy();
  readonly tables: number[] = [];
  private readonly taken: (readonly [number, number])[] = [];
  private readonly keyed: number[] = [];

  alloc(count: number): void {
    for (let i = 0; i < count; i++) {
      const pfn = this.toy.allocator.alloc("kernel", KERNEL_TABLE);
      if (pfn !== undefined) this.tables.push(pfn);
    }
  }

  free(count: number, which: number): void {
    for (let i = 0; i < count && this.tables.length > 0; i++)
      this.toy.allocator.free(toPfn(pick(this.tables, which + i)!));
  }

  /** Another feature sets its key on a page: a split outside any refill, which fails only without free memory. */
  key(): void {
    const pfn = this.toy.take(0);
    if (pfn === undefined) return;
    if (this.toy.setKey(pfn, 1, 3) === 0) this.keyed.push(pfn);
    else {
      this.toy.give(pfn, 0);
      expect(statsOf(this.toy).cached).toBeLessThan(RESERVED_PAGES);
      const run = this.toy.take(2);
      expect(run === undefined || run === pfn - (pfn % 4)).toBe(true);
      if (run !== undefined) this.toy.give(run, 2);
    }
  }

  unkey(which: number): void {
    const pfn = pick(this.keyed, which);
    if (pfn === undefined) return;
    expect(this.toy.setKey(pfn, 1, 0)).toBe(0);
    this.toy.give(pfn, 0);
  }

  take(order: number): void {
    const pfn = this.toy.take(order);
    if (pfn !== undefined) this.taken.push([pfn, order]);
  }

  give(which: number): void {
    const back = pick(this.taken, which);
    if (back !== undefined) this.toy.give(...back);
  }
}

describe("in any sequence of events", () => {
  it("a refill allocates at most two tables for splits, refills do not nest, and every table has the key", () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const life = new Life();
        const { toy } = life;
        toy.calls.length = 0;
        for (const { op, which, order, count } of todo) {
          if (op === "alloc") life.alloc(count);
          else if (op === "free") life.free(count, which);
          else if (op === "key") life.key();
          else if (op === "unkey") life.unkey(which);
          else if (op === "take") life.take(order);
          else if (op === "give") life.give(which);
          else toy.shrinkers[0]!.scan(16 * count);
        }
        for (const { tables, nested } of toy.calls) {
          expect(tables).toBeLessThanOrEqual(PAGES_PER_SPLIT);
          expect(nested).toBe(0);
        }
        for (const pfn of [...life.tables, ...toy.splitTables]) expect(toy.keys[pfn]).toBe(PGTABLES);
        expect(toy.keys.findIndex((key, pfn) => toy.free[pfn] === 1 && key !== 0)).toBe(-1);
        expect(warningsOf(toy)).toEqual([]);
      }),
      { numRuns: runs(200) },
    );
  });
});

describe("the shrinker", () => {
  /** @returns a machine whose pool has this many free blocks, and this many pages of no block */
  function withPool(blocks: number, loose: number): BlockToy {
    const toy = bootBlockToy();
    const tables: number[] = [];
    const want = (pages: number): void => {
      for (let i = 0; i < pages; i++) tables.push(toy.allocator.alloc("kernel", KERNEL_TABLE)!);
    };
    want(statsOf(toy).cached - RESERVED_PAGES);
    for (let i = 1; i < blocks; i++) want(BLOCK);
    const taken = takeAll(toy, 9);
    for (let i = 0; i < loose; i += 16) want(16);
    for (const pfn of taken) toy.give(pfn, 9);
    for (const pfn of tables) toy.allocator.free(toPfn(pfn));
    return toy;
  }

  it("has seeks 0 and a batch of 512 pages, and keeps 16", () => {
    const toy = bootBlockToy();
    const shrinker = toy.shrinkers[0]!;
    expect([shrinker.name, shrinker.seeks, shrinker.batch]).toEqual(["kpkeys-pgtable-block", 0, 512]);
    expect(shrinker.count()).toBe(statsOf(toy).cached - 16);
    const splits = toy.splitTables.length;
    while (shrinker.count() > 0) expect(shrinker.scan(512)).toBeGreaterThan(0);
    expect(statsOf(toy).cached).toBe(16 - (toy.splitTables.length - splits));
  });

  it("frees a completely free block as one chunk, without a split", () => {
    const toy = withPool(2, 0);
    const splits = toy.splitTables.length;
    const free = toy.free.filter((is) => is === 1).length;
    expect(toy.shrinkers[0]!.scan(512)).toBe(512);
    expect(toy.free.filter((is) => is === 1).length).toBe(free + 512);
    expect(toy.splitTables.length).toBe(splits);
  });

  it("then frees pages of no block, where the linear map is split already", () => {
    const toy = withPool(1, 32);
    toy.allocator.alloc("kernel", KERNEL_TABLE);
    const splits = toy.splitTables.length;
    expect(toy.shrinkers[0]!.scan(20)).toBe(20);
    expect(toy.splitTables.length).toBe(splits);
  });

  it.each([
    [64, 48],
    [63, 0],
  ])("breaks up a block of which %i pages are free for %i pages", (free, freed) => {
    const toy = bootBlockToy();
    while (statsOf(toy).cached > free) toy.allocator.alloc("kernel", KERNEL_TABLE);
    const splits = toy.splitTables.length;
    expect(toy.shrinkers[0]!.scan(512)).toBe(freed);
    expect(toy.splitTables.length > splits).toBe(freed > 0);
  });

  it("keeps pages whose key cannot be cleared, and warns", () => {
    const toy = withPool(2, 0);
    const { cached } = statsOf(toy);
    toy.failing = true;
    expect(toy.shrinkers[0]!.scan(512)).toBe(0);
    expect(statsOf(toy).cached).toBe(cached);
    expect(warningsOf(toy)).toHaveLength(1);
  });

  it("returns SHRINK_STOP during a refill", () => {
    const toy = bootBlockToy();
    drainToReserve(toy);
    const answers: unknown[] = [];
    toy.duringSetMemory = () => answers.push(toy.shrinkers[0]!.scan(1));
    toy.allocator.alloc("kernel", KERNEL_TABLE);
    expect(answers).toEqual([SHRINK_STOP]);
  });
});

describe("before the linear map may be split", () => {
  it("one region is recorded, and all its pages get the key late", () => {
    const toy = createBlockToy();
    toy.begin("mem_init");
    const pfn = toy.allocator.alloc("kernel", KERNEL_TABLE)!;
    expect([toy.keys[pfn], statsOf(toy).earlyRegions]).toEqual([0, 1]);
    for (const phase of ["tasks", "smp", "system_features"] as const) toy.begin(phase);
    const block = pfn - (pfn % BLOCK);
    expect([...toy.keys.subarray(block, block + BLOCK)]).toEqual(Array<number>(BLOCK).fill(PGTABLES));
    expect(warningsOf(toy)).toEqual([]);
  });

  it("a machine without free memory warns", () => {
    const toy = createBlockToy();
    takeAll(toy, 0);
    toy.begin("mem_init");
    expect(warningsOf(toy)).toHaveLength(1);
  });

  it("a second region warns and stays unprotected; a first one that is large enough avoids it", () => {
    for (const [order, regions] of [
      [2, 2],
      [4, 1],
    ] as const) {
      const toy = createBlockToy();
      const taken = takeAll(toy, 0);
      leave(toy, taken, order);
      toy.begin("mem_init");
      for (const pfn of taken) if (toy.free[pfn] === 0 && pfn > 1024) toy.give(pfn, 0);
      const tables = Array.from({ length: 8 }, () => toy.allocator.alloc("kernel", KERNEL_TABLE)!);
      for (const phase of ["tasks", "smp", "system_features"] as const) toy.begin(phase);
      expect(statsOf(toy).earlyRegions).toBe(regions);
      expect(warningsOf(toy)).toHaveLength(regions - 1);
      expect(tables.some((pfn) => toy.keys[pfn] !== PGTABLES)).toBe(regions > 1);
    }
  });

  it("early tables are carved downward from a block; late, its used tail gets the key and its unused head is freed", () => {
    const toy = createBlockToy();
    const tables = [1, 2, 3].map(() => toy.allocator.allocEarly("early")!);
    const block = tables[0]! - BLOCK + 1;
    expect([block % BLOCK, ...tables.map((pfn) => pfn - block)]).toEqual([0, 511, 510, 509]);
    for (const phase of ["mem_init", "tasks", "smp", "system_features"] as const) toy.begin(phase);
    expect(tables.map((pfn) => toy.keys[pfn])).toEqual([1, 1, 1]);
    const head = toy.free.subarray(block, block + 509);
    expect(head.includes(0)).toBe(false);
    expect(toy.keys[block + 508]).toBe(0);
  });

  it("early tables are not recorded once memblock has no block, with a warning", () => {
    const toy = createBlockToy({ pages: 2048 });
    for (let pfn = 512; pfn < 2048; pfn += 512) toy.free[pfn] = 0;
    expect(toy.allocator.allocEarly("early")).toBeUndefined();
    expect(warningsOf(toy)).toHaveLength(1);
  });

  it("vmemmap tables are carved too, unless vmemmap is false", () => {
    expect(createBlockToy().allocator.allocEarly("vmemmap")).toBeGreaterThan(0);
    expect(createBlockToy({ options: { vmemmap: false } }).allocator.allocEarly("vmemmap")).toBeUndefined();
  });

  const mistakes: readonly (readonly [string, readonly InitPhase[], (toy: BlockToy) => unknown])[] = [
    ["a table page before mem_init", [], (toy) => toy.allocator.alloc("kernel", KERNEL_TABLE)],
    ["mem_init twice", ["mem_init", "mem_init"], () => 0],
    ["the late stage twice", ["mem_init", "system_features", "system_features"], () => 0],
    ["the late stage without mem_init", ["system_features"], () => 0],
    ["an early table after mem_init", ["mem_init"], (toy) => toy.allocator.allocEarly("early")],
    ["the end of boot without the late stage", ["mem_init", "freeze"], () => 0],
  ];
  for (const [what, phases, last] of mistakes) {
    it(`${what} is an error`, () => {
      const toy = createBlockToy();
      const code = codeOf(() => {
        for (const phase of phases) toy.begin(phase);
        last(toy);
      });
      expect(code).toBe("ERR_INIT_ORDER");
    });
  }
});

describe("an exhausted reserve", () => {
  it("fails a change that needs a split, unless four pages are free for a refill", () => {
    for (const [order, errno] of [
      [1, Errno.ENOMEM],
      [2, 0],
    ] as const) {
      const toy = bootBlockToy();
      const target = toy.take(9)!;
      const taken = takeAll(toy, 0);
      while (statsOf(toy).cached > 2) toy.allocator.alloc("kernel", statsOf(toy).cached > 4 ? KERNEL_TABLE : SPLIT);
      leave(toy, taken, order);
      expect(toy.setKey(target + 7, 1, PGTABLES)).toBe(errno);
      expect(toy.keys[target + 7]).toBe(errno === 0 ? PGTABLES : 0);
    }
  });

  it("leaves static tables unprotected at boot with a warning, unless a refill is possible", () => {
    for (const [order, key] of [
      [1, 0],
      [2, PGTABLES],
    ] as const) {
      const toy = createBlockToy();
      toy.begin("mem_init");
      const taken = takeAll(toy, 0);
      while (statsOf(toy).cached > 2) toy.allocator.alloc("kernel", statsOf(toy).cached > 4 ? KERNEL_TABLE : SPLIT);
      leave(toy, taken, order);
      for (const phase of ["tasks", "smp", "system_features"] as const) toy.begin(phase);
      expect(toy.keys[5]).toBe(key);
      expect(warningsOf(toy).length > 0).toBe(key === 0);
    }
  });
});
