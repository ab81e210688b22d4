import { toPfn, toAsid } from "../../src/contracts/index.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Access, FAULT, FaultKind, OK, Privilege } from "../../src/contracts/index.js";
import { A, createToy, FIRST_DATA_PFN, G, high, leaf, low, U, W, X } from "./toy.js";
import type { Toy } from "./toy.js";

const KERNEL_VA = 0xffffff8000000000n;
const USER_VA = 0x40000000n;
const PAGE = 0x1000n;

/** The value read at an address, or `undefined` for a fault. */
function read(toy: Toy, address: bigint): number | undefined {
  return toy.cpu.load64(high(address), low(address)) === OK ? toy.cpu.valueLow : undefined;
}

const probe = (toy: Toy, address: bigint, access: Access, privilege: Privilege): boolean =>
  toy.cpu.access(high(address), low(address), access, privilege) === OK;

/** Two pages with different content and an address that is mapped to the first, used already. */
function warm(toy: Toy, address: bigint, bits: number): { table: number; index: number } {
  toy.memory.write(FIRST_DATA_PFN, 0, { high: 0, low: 111 });
  toy.memory.write(FIRST_DATA_PFN + 1, 0, { high: 0, low: 222 });
  const root = address >> 63n === 0n ? toy.userRoot : toy.kernelRoot;
  const place = toy.map(root, address, leaf(FIRST_DATA_PFN, bits));
  expect([read(toy, address), read(toy, address)]).toEqual([111, 111]);
  return place;
}

const SCOPES: readonly (readonly [string, (toy: Toy, address: bigint) => void])[] = [
  [
    "its page",
    (toy, address) => {
      toy.cpu.mmu.invalidatePage(high(address), low(address) | 0xff8);
    },
  ],
  [
    "a range that holds its page",
    (toy, address) => {
      toy.cpu.mmu.invalidateRange(high(address - PAGE), low(address - PAGE), 2);
    },
  ],
  [
    "a range of more pages than the TLB has",
    (toy, address) => {
      toy.cpu.mmu.invalidateRange(high(address), low(address), 5000);
    },
  ],
  [
    "everything",
    (toy) => {
      toy.cpu.mmu.invalidateAll();
    },
  ],
];

describe("a translation", () => {
  test.each(SCOPES)("does not follow changes of the tables until %s is invalidated", (_scope, invalidate) => {
    for (const [address, bits] of [
      [KERNEL_VA + 5n * PAGE, G],
      [KERNEL_VA + 5n * PAGE, 0],
      [USER_VA, 0],
    ] as const) {
      const toy = createToy();
      const { table, index } = warm(toy, address, bits);
      toy.memory.write(table, index, {
        high: high(leaf(FIRST_DATA_PFN + 1, 0)),
        low: low(leaf(FIRST_DATA_PFN + 1, 0)),
      });
      expect(read(toy, address)).toBe(111);
      toy.memory.write(table, index, { high: 0, low: 0 });
      expect(read(toy, address)).toBe(111);
      invalidate(toy, address);
      expect(read(toy, address)).toBeUndefined();
      expect(toy.cpu.counters.tlbInvalidations).toBe(1);
    }
  });

  test("is not affected by the invalidation of other pages", () => {
    const toy = createToy();
    const { table, index } = warm(toy, KERNEL_VA + 5n * PAGE, G);
    toy.memory.write(table, index, { high: 0, low: 0 });
    const { mmu } = toy.cpu;
    mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA + 4n * PAGE));
    mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA + (5n + 1024n) * PAGE));
    mmu.invalidateRange(high(KERNEL_VA), low(KERNEL_VA), 5);
    mmu.invalidateRange(high(KERNEL_VA), low(KERNEL_VA + 6n * PAGE), 5000);
    mmu.invalidateAsid(toAsid(1));
    expect(read(toy, KERNEL_VA + 5n * PAGE)).toBe(111);
    expect(mmu.kernelRoot).toBe(toy.kernelRoot);
  });

  test("denies or allows accesses as before until it is invalidated", () => {
    const toy = createToy();
    const { table, index } = warm(toy, KERNEL_VA, G);
    const store = (): number => toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 5);
    expect(store()).toBe(FAULT);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, G | W)) });
    expect(store()).toBe(FAULT);
    const rootLow = toy.memory.read(toy.kernelRoot, 0).low;
    toy.memory.write(toy.kernelRoot, 0, { high: 0, low: 0 });
    expect(store()).toBe(FAULT);
    expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.PERMISSION, level: 2 });
    toy.memory.write(toy.kernelRoot, 0, { high: 0, low: rootLow });
    toy.cpu.mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA));
    expect([store(), store()]).toEqual([OK, OK]);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, G)) });
    expect(store()).toBe(OK);
    toy.cpu.mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA));
    expect(store()).toBe(FAULT);
  });

  test("that denies an access is dropped by the fault, if the architecture does so", () => {
    const toy = createToy({ faultDropsTranslation: true });
    const store = (): number => toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 5);
    const { table, index } = warm(toy, KERNEL_VA, G);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, G | W)) });
    expect([store(), store()]).toEqual([FAULT, OK]);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, A | G)) });
    toy.cpu.mmu.invalidateAll();
    expect(store()).toBe(FAULT);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, G | W)) });
    expect(store()).toBe(OK);
  });

  test("is dropped for every register value with which it was used", () => {
    const toy = createToy();
    warm(toy, KERNEL_VA, G);
    for (const register of [0x100, 0x200, 0x300]) {
      toy.cpu.writePkeyRegister(0, register);
      toy.cpu.synchronise();
      expect(read(toy, KERNEL_VA)).toBe(111);
    }
    toy.map(toy.kernelRoot, KERNEL_VA, 0n);
    toy.cpu.mmu.invalidatePage(high(KERNEL_VA), low(KERNEL_VA));
    for (const register of [0x300, 0x200, 0x100, 0]) {
      toy.cpu.writePkeyRegister(0, register);
      toy.cpu.synchronise();
      expect(read(toy, KERNEL_VA)).toBeUndefined();
    }
  });

  test("that loses its slot to another page has no fast tag left", () => {
    const toy = createToy();
    const other = KERNEL_VA + 1024n * PAGE;
    warm(toy, KERNEL_VA, G | W);
    toy.map(toy.kernelRoot, other, leaf(FIRST_DATA_PFN + 1, G | W));
    expect(toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 1)).toBe(OK);
    expect(read(toy, other)).toBe(222);
    expect(toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 3)).toBe(OK);
    expect([read(toy, KERNEL_VA), read(toy, other)]).toEqual([3, 222]);
  });

  test("is not stored for a leaf whose accessed flag is clear", () => {
    const toy = createToy();
    const { table, index } = toy.map(toy.kernelRoot, KERNEL_VA, leaf(FIRST_DATA_PFN, G));
    expect(toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 5)).toBe(FAULT);
    toy.memory.write(table, index, { high: 0, low: low(leaf(FIRST_DATA_PFN, G | W)) });
    expect(toy.cpu.store64(high(KERNEL_VA), low(KERNEL_VA), 0, 5)).toBe(OK);
  });

  test("of a block is dropped for all its pages if one of them is invalidated", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(511), { minLength: 1, maxLength: 8 }), fc.nat(511), fc.nat(2), (used, one, how) => {
        const toy = createToy();
        const block = KERNEL_VA + 0x400000n;
        toy.map(toy.kernelRoot, block, leaf(0x2000, G), 1);
        toy.map(toy.kernelRoot, KERNEL_VA, leaf(FIRST_DATA_PFN, G));
        const addresses = used.map((page) => block + BigInt(page) * PAGE);
        for (const address of addresses) expect(read(toy, address)).toBe(0);
        expect(read(toy, KERNEL_VA)).toBe(0);
        toy.memory.write(toy.memory.read(toy.kernelRoot, 0).low >>> 12, 2, { high: 0, low: 0 });
        toy.map(toy.kernelRoot, KERNEL_VA, 0n);
        const inside = block + BigInt(one) * PAGE;
        if (how === 0) toy.cpu.mmu.invalidatePage(high(inside), low(inside));
        else toy.cpu.mmu.invalidateRange(high(inside), low(inside), how === 1 ? 1 : 3000);
        for (const address of addresses) expect(read(toy, address)).toBeUndefined();
        expect(read(toy, KERNEL_VA)).toBe(0);
      }),
    );
  });

  test("of a user address space is found only with its ASID; a global one is found with every ASID", () => {
    const toy = createToy();
    const otherRoot = toy.allocate();
    warm(toy, USER_VA, 0);
    warm(toy, USER_VA + PAGE, G);
    toy.map(otherRoot, USER_VA, leaf(FIRST_DATA_PFN + 1, 0));
    toy.cpu.mmu.setUserRoot(toPfn(otherRoot), toAsid(2));
    expect(read(toy, USER_VA)).toBe(222);
    expect(read(toy, USER_VA + PAGE)).toBe(111);
    toy.cpu.mmu.setUserRoot(toPfn(toy.userRoot), toAsid(1));
    expect(read(toy, USER_VA)).toBe(111);
    toy.map(toy.userRoot, USER_VA, 0n);
    toy.cpu.mmu.invalidateAsid(toAsid(2));
    expect(read(toy, USER_VA)).toBe(111);
    toy.cpu.mmu.invalidateAsid(toAsid(1));
    expect(read(toy, USER_VA)).toBeUndefined();
    expect(read(toy, USER_VA + PAGE)).toBe(111);
  });

  test("without ASIDs is dropped by a write of the root, unless it is global", () => {
    const toy = createToy({ asids: false, splitRoots: false });
    const otherRoot = toy.allocate();
    for (const write of ["setKernelRoot", "setUserRoot"] as const) {
      toy.cpu.mmu[write](toPfn(toy.kernelRoot), toAsid(0));
      warm(toy, USER_VA, 0);
      warm(toy, USER_VA + PAGE, G);
      toy.cpu.mmu[write](toPfn(otherRoot), toAsid(0));
      expect([toy.cpu.mmu.kernelRoot, toy.cpu.mmu.userRoot]).toEqual([otherRoot, otherRoot]);
      expect(read(toy, USER_VA)).toBeUndefined();
      expect(read(toy, USER_VA + PAGE)).toBe(111);
    }
    toy.cpu.mmu.invalidateAsid(toAsid(0));
    expect(read(toy, USER_VA + PAGE)).toBe(111);
  });
});

describe("every access faults while translation is off", () => {
  test("also one that had a fast tag before", () => {
    const toy = createToy();
    warm(toy, KERNEL_VA, G | W);
    toy.cpu.mmu.enabled = false;
    expect(read(toy, KERNEL_VA)).toBeUndefined();
    expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.TRANSLATION, level: 0 });
    expect(toy.cpu.access(high(KERNEL_VA), low(KERNEL_VA), Access.FETCH, Privilege.KERNEL)).toBe(FAULT);
    toy.cpu.mmu.enabled = true;
    expect(read(toy, KERNEL_VA)).toBe(111);
  });
});

describe("an address that is not canonical", () => {
  test("never accesses the page of a canonical one", () => {
    for (const splitRoots of [true, false]) {
      const toy = createToy({ splitRoots });
      const { addressBits } = toy.regime;
      const significant = BigInt(addressBits - (splitRoots ? 0 : 1));
      fc.assert(
        fc.property(
          fc.boolean(),
          fc.nat(2 ** 20),
          fc.oneof(
            fc.bigInt({ min: 1n, max: 2n ** (64n - significant) - 2n }),
            fc.bigInt({ min: 1n, max: 1023n }).map((top) => top << (54n - significant)),
          ),
          (kernel, page, flips) => {
            const offset = BigInt(page) * PAGE;
            const address = kernel ? (2n ** 64n - 2n ** significant) | offset : offset;
            toy.map(kernel ? toy.kernelRoot : toy.userRoot, address, leaf(FIRST_DATA_PFN, W | G));
            expect(toy.cpu.store64(high(address), low(address), 0, page)).toBe(OK);
            expect([read(toy, address), read(toy, address)]).toEqual([page, page]);
            const bent = address ^ (flips << significant);
            expect(toy.cpu.store64(high(bent), low(bent), 0, -1)).toBe(FAULT);
            expect(toy.cpu.fault.kind).toBe(toy.regime.nonCanonicalFault);
            expect(toy.cpu.exchange64(high(bent), low(bent), 0, -1)).toBe(FAULT);
            expect(toy.cpu.storeRun(high(bent), low(bent), 0, -1, 0, 1)).toBe(FAULT);
            expect(read(toy, bent)).toBeUndefined();
            expect(read(toy, address)).toBe(page);
            const steps: number[] = [];
            toy.cpu.mmu.walk(high(bent), low(bent), ({ level }) => steps.push(level));
            expect(steps).toEqual([]);
          },
        ),
        { numRuns: 300 },
      );
    }
  });
});

describe("rights of the leaf and privilege", () => {
  test("are checked for every access, also after an access with another privilege", () => {
    const toy = createToy();
    toy.map(toy.userRoot, USER_VA, leaf(FIRST_DATA_PFN, U | W | G));
    toy.map(toy.userRoot, USER_VA + PAGE, leaf(FIRST_DATA_PFN, X | G));
    for (let round = 0; round < 3; round++) {
      expect(probe(toy, USER_VA, Access.RMW, Privilege.USER)).toBe(true);
      expect(probe(toy, USER_VA, Access.FETCH, Privilege.USER)).toBe(false);
      expect(read(toy, USER_VA + PAGE)).toBe(0);
      expect(probe(toy, USER_VA + PAGE, Access.READ, Privilege.USER)).toBe(false);
      expect(probe(toy, USER_VA + PAGE, Access.FETCH, Privilege.KERNEL)).toBe(true);
      expect(probe(toy, USER_VA + PAGE, Access.WRITE, Privilege.KERNEL)).toBe(false);
    }
  });
});
