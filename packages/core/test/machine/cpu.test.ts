import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../../vitest.runs.js";
import { Access, FAULT, FaultKind, OK, Privilege } from "../../src/contracts/index.js";
import { ObserverList } from "../../src/observers.js";
import { createToy, FIRST_DATA_PFN, G, high, leaf, low, U, W } from "./toy.js";
import type { Toy } from "./toy.js";
import { DEFAULT_TLB } from "../../src/machine/tlb-geometry.js";

const VA = 0xffffff8000000000n;
const PAGE = 0x1000n;
const NO_WRITE_1 = 0b1000;
const NO_ACCESS_1 = 0b1100;
const OPEN = 0;

function store(toy: Toy, address: bigint, value = 1): number {
  return toy.cpu.store64(high(address), low(address), 0, value);
}

/** A toy with a warm, writable page of key 1. */
function keyed(options: Parameters<typeof createToy>[0] = {}, observers?: ObserverList): Toy {
  const toy = createToy(options, observers);
  toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, W | G, 1));
  for (const address of [VA, VA]) expect(store(toy, address)).toBe(OK);
  return toy;
}

describe("a change of the key register", () => {
  test("denies and allows accesses without an invalidation", () => {
    for (const needsBarrier of [true, false]) {
      const { cpu, ...toy } = keyed({ needsBarrier });
      for (let round = 0; round < 20; round++) {
        cpu.writePkeyRegister(0, NO_WRITE_1 | (round << 8));
        cpu.synchronise();
        expect(store({ cpu, ...toy }, VA)).toBe(FAULT);
        expect(cpu.fault).toMatchObject({ kind: FaultKind.PKEY, pkey: 1, pkeyRegisterLow: NO_WRITE_1 | (round << 8) });
        expect(cpu.load64(high(VA), low(VA))).toBe(OK);
        cpu.writePkeyRegister(0, OPEN | (round << 8));
        cpu.synchronise();
        expect(store({ cpu, ...toy }, VA)).toBe(OK);
        expect(cpu.load64(high(VA), low(VA))).toBe(OK);
        cpu.writePkeyRegister(0, NO_ACCESS_1 | (round << 8));
        cpu.synchronise();
        expect(cpu.load64(high(VA), low(VA))).toBe(FAULT);
        expect(store({ cpu, ...toy }, VA)).toBe(FAULT);
      }
      expect(cpu.counters).toMatchObject({
        pkeyRegisterWrites: 60,
        barriers: needsBarrier ? 60 : 0,
        tlbInvalidations: 0,
        unsynchronised: 0,
        faults: 60,
      });
    }
  });

  test("takes effect when it is synchronised: until then the old value decides, and accesses on which the values differ are counted", () => {
    const seen: [string, ...number[]][] = [];
    const observers = new ObserverList();
    observers.attach({
      unsynchronisedAccess: (...where) => seen.push(["unsynchronised", ...where]),
      barrier: (id) => seen.push(["barrier", id]),
    });
    const toy = keyed({}, observers);
    const { cpu } = toy;
    cpu.writePkeyRegister(0, NO_WRITE_1);
    expect([cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow]).toEqual([0, NO_WRITE_1]);
    expect(store(toy, VA)).toBe(OK);
    expect(cpu.load64(high(VA), low(VA))).toBe(OK);
    expect(cpu.counters.unsynchronised).toBe(1);
    cpu.synchronise();
    expect(store(toy, VA)).toBe(FAULT);
    cpu.writePkeyRegister(0, OPEN);
    expect(store(toy, VA)).toBe(FAULT);
    expect(cpu.fault.pkeyRegisterLow).toBe(NO_WRITE_1);
    expect(cpu.counters).toMatchObject({ unsynchronised: 2, barriers: 1 });
    cpu.synchroniseByException();
    expect(store(toy, VA)).toBe(OK);
    expect(cpu.counters).toMatchObject({ unsynchronised: 2, barriers: 1 });
    const where = [0, high(VA), low(VA)];
    expect(seen).toEqual([
      ["unsynchronised", ...where],
      ["barrier", 0],
      ["unsynchronised", ...where],
    ]);
  });

  test("that is reverted before it is synchronised has no effect", () => {
    const toy = keyed();
    toy.cpu.writePkeyRegister(0, NO_WRITE_1);
    toy.cpu.writePkeyRegister(0, OPEN);
    expect(store(toy, VA)).toBe(OK);
    toy.cpu.synchronise();
    expect(store(toy, VA)).toBe(OK);
    expect(toy.cpu.counters.unsynchronised).toBe(0);
  });

  test("takes effect at once on an architecture without synchronisation", () => {
    const toy = keyed({ needsBarrier: false });
    toy.cpu.writePkeyRegister(0, NO_WRITE_1);
    expect(store(toy, VA)).toBe(FAULT);
    expect(toy.cpu.counters.unsynchronised).toBe(0);
  });
});

test("a change of a system register takes effect at once, also for pages accessed before", () => {
  const toy = keyed();
  toy.cpu.writePkeyRegister(0, NO_WRITE_1);
  toy.cpu.synchronise();
  expect(store(toy, VA)).toBe(FAULT);
  toy.cpu.systemRegisters.write("OPEN", 1n);
  expect([store(toy, VA), store(toy, VA)]).toEqual([OK, OK]);
  toy.cpu.systemRegisters.write("OPEN", 0n);
  expect(store(toy, VA)).toBe(FAULT);
  expect(toy.cpu.systemRegisters.read("OPEN")).toBe(0n);
});

describe("loads, stores and exchanges", () => {
  test("move 64 bits and see each other, with the page warm or not", () => {
    const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const toy = createToy();
    toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, W | G));
    const words = new BigInt64Array(512);
    fc.assert(
      fc.property(
        fc.constantFrom("load", "store", "exchange", "flush"),
        fc.nat(511),
        int32,
        int32,
        (what, index, h, l) => {
          const address = VA + BigInt(index * 8);
          const before = words[index]!;
          const value = (BigInt(h) << 32n) | BigInt(l >>> 0);
          if (what === "flush") toy.cpu.mmu.invalidateAll();
          else if (what === "load") expect(toy.cpu.load64(high(address), low(address))).toBe(OK);
          else if (what === "store") expect(toy.cpu.store64(high(address), low(address), h, l)).toBe(OK);
          else expect(toy.cpu.exchange64(high(address), low(address), h, l)).toBe(OK);
          if (what === "store" || what === "exchange") words[index] = value;
          if (what === "load" || what === "exchange") {
            expect([toy.cpu.valueHigh, toy.cpu.valueLow]).toEqual([high(before), low(before)]);
          }
          const kept = toy.memory.read(FIRST_DATA_PFN, index);
          expect(kept).toEqual({ high: high(words[index]!), low: low(words[index]!) });
        },
      ),
      { numRuns: runs(2000) },
    );
  });

  test("do not allocate content by reading a page or by storing zero", () => {
    const toy = createToy();
    toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, W | G));
    expect(toy.cpu.load64(high(VA), low(VA))).toBe(OK);
    const before = toy.memory.materialisedPages;
    expect(toy.cpu.load64(high(VA), low(VA))).toBe(OK);
    expect(store(toy, VA, 0)).toBe(OK);
    expect(toy.cpu.storeRun(high(VA), low(VA), 0, 0, 0, 512)).toBe(OK);
    expect(toy.cpu.exchange64(high(VA), low(VA), 0, 0)).toBe(OK);
    expect([toy.cpu.valueHigh, toy.cpu.valueLow, toy.memory.materialisedPages]).toEqual([0, 0, before]);
    expect(store(toy, VA + 8n, 3)).toBe(OK);
    expect(toy.cpu.load64(high(VA), low(VA) + 8)).toBe(OK);
    expect([toy.cpu.valueLow, toy.memory.materialisedPages]).toEqual([3, before + 1]);
  });

  test("of an exchange need both rights, and do not change memory without them", () => {
    const toy = createToy();
    toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, G | W, 1));
    const exchange = (): number => toy.cpu.exchange64(high(VA), low(VA), 5, 6);
    expect(store(toy, VA, 9)).toBe(OK);
    for (const denied of [0b0100, 0b1000, 0b1100]) {
      toy.cpu.writePkeyRegister(0, denied);
      toy.cpu.synchronise();
      expect(exchange()).toBe(FAULT);
      expect(toy.cpu.fault).toMatchObject({ kind: FaultKind.PKEY, access: Access.RMW, privilege: Privilege.KERNEL });
    }
    expect(toy.memory.read(FIRST_DATA_PFN, 0).low).toBe(9);
    toy.cpu.writePkeyRegister(0, 0b0100);
    toy.cpu.synchronise();
    expect([store(toy, VA, 9), exchange()]).toEqual([OK, FAULT]);
    toy.cpu.writePkeyRegister(0, OPEN);
    toy.cpu.synchronise();
    expect([exchange(), toy.cpu.valueLow, exchange(), toy.cpu.valueHigh]).toEqual([OK, 9, OK, 5]);
  });

  test("storeRun equals a loop of store64", () => {
    const run = fc.record({
      index: fc.oneof(fc.constant(0), fc.nat(511)),
      count: fc.oneof(fc.constant(512), fc.integer({ min: 1, max: 512 })),
      valueHigh: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      valueLow: fc.constantFrom(0, 1, 0x703, -1, -4096, 0x7fffffff, -(2 ** 31), 0xfffff703 | 0),
      stepLow: fc.constantFrom(0, 8, 4096, 0x200000, 0x40000000, 0x7fffffff),
      key: fc.constantFrom(OPEN, NO_WRITE_1),
      synchronised: fc.boolean(),
      global: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 4 }), fc.boolean(), (runs, walksAlways) => {
        const options = walksAlways ? { tlb: { ...DEFAULT_TLB, sets: 0 } } : {};
        const toys = [createToy(options), createToy(options)] as const;
        for (const { index, count, valueHigh, valueLow, stepLow, key, synchronised, global } of runs) {
          const words = Math.min(count, 512 - index);
          const address = VA + BigInt(index * 8);
          const [statusOfRun, statusOfLoop] = toys.map((toy, which) => {
            const { cpu } = toy;
            toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, W | (global ? G : 0), 1));
            cpu.mmu.invalidateAll();
            cpu.writePkeyRegister(0, key);
            if (synchronised) cpu.synchronise();
            if (which === 0) return cpu.storeRun(high(address), low(address), valueHigh, valueLow, stepLow, words);
            let status = OK as number;
            let value = (BigInt(valueHigh) << 32n) | BigInt(valueLow >>> 0);
            for (let word = 0; word < words && status === OK; word++) {
              status = cpu.store64(high(address), low(address) + word * 8, high(value), low(value));
              value = BigInt.asIntN(64, value + BigInt(stepLow));
            }
            return status;
          });
          expect(statusOfRun).toBe(statusOfLoop);
        }
        const content = toys.map(({ memory }) =>
          Array.from({ length: 512 }, (_, index) => memory.read(FIRST_DATA_PFN, index)),
        );
        expect(content[0]).toEqual(content[1]);
        expect(toys[0].cpu.counters).toEqual(toys[1].cpu.counters);
      }),
    );
  });
});

test("an observer receives walks, fills, invalidations, register writes and faults, in their order, while it is attached", () => {
  const seen: unknown[][] = [];
  const observers = new ObserverList();
  const toy = createToy({}, observers);
  const { cpu } = toy;
  cpu.load64(high(VA), low(VA));
  const detach = observers.attach({
    walkStep: (id, { level, type }) => seen.push(["step", id, level, type]),
    tlbFill: (...where) => seen.push(["fill", ...where]),
    tlbFlush: (...what) => seen.push(["flush", ...what]),
    registerWrite: (id, ...value) => seen.push(["write", id, ...value]),
    fault: (id, { kind }) => seen.push(["fault", id, kind]),
  });
  toy.map(toy.kernelRoot, VA, leaf(FIRST_DATA_PFN, G | U));
  cpu.load64(high(VA), low(VA));
  cpu.load64(high(VA), low(VA));
  cpu.writePkeyRegister(0, 2);
  cpu.mmu.invalidateRange(high(VA), low(VA), 3);
  cpu.mmu.invalidateAll();
  cpu.access(high(VA + PAGE), low(VA + PAGE), Access.WRITE, Privilege.USER);
  detach();
  cpu.mmu.invalidateAll();
  cpu.load64(high(VA), low(VA));
  cpu.writePkeyRegister(0, 0);
  const where = [0, high(VA), low(VA)];
  expect(seen).toEqual([
    ["step", 0, 0, "table"],
    ["step", 0, 1, "table"],
    ["step", 0, 2, "leaf"],
    ["fill", ...where],
    ["write", 0, 0, 2, false],
    ["flush", ...where, 3],
    ["flush", 0, 0, 0, -1],
    ["step", 0, 0, "table"],
    ["step", 0, 1, "table"],
    ["step", 0, 2, "invalid"],
    ["fault", 0, FaultKind.TRANSLATION],
  ]);
});

test("a CPU that was reset has no earlier translation", () => {
  const toy = createToy();
  const address = 0xffffff8000201000n;
  const { table, index } = toy.map(toy.kernelRoot, address, leaf(FIRST_DATA_PFN, W | G));
  expect(toy.cpu.load64(high(address), low(address))).toBe(OK);
  toy.memory.write(table, index, { high: 0, low: 0 });
  expect(toy.cpu.load64(high(address), low(address))).toBe(OK);
  toy.cpu.reset();
  toy.cpu.mmu.enabled = true;
  expect(toy.cpu.mmu.auditTlb(() => undefined)).toBe(0);
  expect(toy.cpu.load64(high(address), low(address))).not.toBe(OK);
});
