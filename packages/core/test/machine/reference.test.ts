import { toAsid, toPfn } from "../../src/contracts/index.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../../vitest.runs.js";
import { Access, FAULT, FaultKind, OK, Privilege } from "../../src/contracts/index.js";
import { createToy, FIRST_DATA_PFN, G, high, leaf, low, TOY, U, W } from "./toy.js";
import type { ToyOptions } from "./toy.js";

// A machine without a TLB: mapping and register decide each access. The CPU agrees with it if every change of the tables is followed
// by an invalidation.

interface Mapping {
  readonly pfn: number;
  readonly bits: number;
  readonly pkey: number;
}

class Reference {
  readonly mappings = new Map<bigint, Mapping>();
  readonly words = new Map<string, bigint>();
  written = 0;
  effective = 0;
  unsynchronised = 0;
  constructor(readonly needsBarrier: boolean) {}

  write(value: number): void {
    this.written = value;
    if (!this.needsBarrier) this.effective = value;
  }

  private verdict(mapping: Mapping, access: Access, privilege: Privilege, register: number): FaultKind {
    if (privilege === Privilege.USER && (mapping.bits & U) === 0) return FaultKind.PERMISSION;
    if (((register >>> (mapping.pkey * 2)) & access & 3) !== 0) return FaultKind.PKEY;
    return (access & Access.WRITE) !== 0 && (mapping.bits & W) === 0 ? FaultKind.PERMISSION : FaultKind.NONE;
  }

  access(page: bigint, access: Access, privilege: Privilege): FaultKind {
    const mapping = this.mappings.get(page);
    if (mapping === undefined) return FaultKind.TRANSLATION;
    const verdict = this.verdict(mapping, access, privilege, this.effective);
    const other = this.verdict(mapping, access, privilege, this.written);
    if ((verdict === FaultKind.NONE) !== (other === FaultKind.NONE)) this.unsynchronised++;
    return verdict;
  }
}

/** Pages that fight for the same few slots of the TLB, counted from the start or, if negative, from the end of all addresses. */
const page = fc
  .tuple(fc.nat(2), fc.nat(2), fc.boolean())
  .map(([slot, tag, kernel]) => BigInt(slot + tag * 1024) - (kernel ? 0x10000n : 0n));
/** Twelve register values: more than the machine keeps apart at a time. */
const register = fc.nat(11).map((n) => (Math.imul(n, 0x9e3779b1) >>> 0) & 0xff);
const value = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const bits = fc.constantFrom(0, W, U, W | U, G, W | G, W | G, U | G, W | U | G);
const mapping = fc.record({ kind: fc.constant("map" as const), page, pfn: fc.nat(3), bits, pkey: fc.nat(3) });
const operation = fc.oneof(
  { weight: 3, arbitrary: mapping },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unmap" as const), page, all: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("register" as const), value: register, synchronise: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("synchronise" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("asid" as const), asid: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("load" as const), page, index: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("store" as const), page, index: fc.nat(3), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("exchange" as const), page, index: fc.nat(3), value }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("probe" as const),
      page,
      access: fc.constantFrom(Access.READ, Access.WRITE, Access.RMW),
      privilege: fc.constantFrom(Privilege.USER, Privilege.KERNEL),
    }),
  },
);

test.each<Partial<ToyOptions>>([
  { needsBarrier: true, splitRoots: true, asids: true },
  { needsBarrier: false, splitRoots: false, asids: false, faultDropsTranslation: true },
  { needsBarrier: true, splitRoots: false, asids: true, indexBits: [5, 8, 7, 7] },
  { needsBarrier: true, tlb: { sets: 2, ways: 3, replacement: "lru", seed: 1 } },
  { needsBarrier: false, tlb: { sets: 1, ways: 4, replacement: "random", seed: 1 } },
  { needsBarrier: true, pageShift: 14, indexBits: [11, 11, 11] },
  { needsBarrier: false, pageShift: 16, splitRoots: false, tlb: { sets: 4, ways: 2, replacement: "lru", seed: 1 } },
  { needsBarrier: false, faultDropsTranslation: true, tlb: { sets: 0, ways: 0, replacement: "fifo", seed: 1 } },
])("with every change invalidated, TLB and fast tags cannot be seen: %j", (options) => {
  fc.assert(
    fc.property(fc.array(mapping, { maxLength: 30 }), fc.array(operation, { maxLength: 80 }), (mappings, later) => {
      const operations = [...mappings, ...later];
      const toy = createToy(options);
      const { cpu } = toy;
      const reference = new Reference(options.needsBarrier!);
      const { pageShift = TOY.pageShift } = options;
      /** Four words, spread over a page. */
      const wordAt = (index: number): number => index * 2 ** (pageShift - 5) + index;
      const addressOf = (number: bigint, index = 0): bigint =>
        BigInt.asUintN(64, (number << BigInt(pageShift)) + BigInt(wordAt(index) * 8));
      const rootOf = (number: bigint): number => (number < 0n ? toy.kernelRoot : toy.userRoot);

      const judge = (status: number, expected: FaultKind): boolean => {
        expect(status).toBe(expected === FaultKind.NONE ? OK : FAULT);
        if (status === FAULT) expect(cpu.fault.kind).toBe(expected);
        return status === OK;
      };

      for (const step of operations) {
        switch (step.kind) {
          case "map":
          case "unmap": {
            const address = addressOf(step.page);
            if (step.kind === "map") {
              const pfn = FIRST_DATA_PFN + step.pfn;
              toy.map(rootOf(step.page), address, leaf(pfn, step.bits, step.pkey, pageShift));
              reference.mappings.set(step.page, { ...step, pfn });
            } else {
              toy.map(rootOf(step.page), address, 0n);
              reference.mappings.delete(step.page);
            }
            if (step.kind === "unmap" && step.all) cpu.mmu.invalidateAll();
            else cpu.mmu.invalidatePage(high(address), low(address));
            break;
          }
          case "register":
            cpu.writePkeyRegister(0, step.value);
            reference.write(step.value);
            if (!step.synchronise) break;
            cpu.synchronise();
            reference.effective = reference.written;
            break;
          case "synchronise":
            cpu.synchroniseByException();
            reference.effective = reference.written;
            break;
          case "asid":
            cpu.mmu.setUserRoot(toPfn(toy.userRoot), toAsid(step.asid));
            break;
          case "probe": {
            const { access, privilege } = step;
            const address = addressOf(step.page);
            const status = cpu.access(high(address), low(address), access, privilege);
            judge(status, reference.access(step.page, access, privilege));
            break;
          }
          default: {
            const address = addressOf(step.page, step.index);
            const access = { load: Access.READ, store: Access.WRITE, exchange: Access.RMW }[step.kind];
            const expected = reference.access(step.page, access, Privilege.KERNEL);
            const at = [high(address), low(address)] as const;
            const status =
              step.kind === "load"
                ? cpu.load64(...at)
                : cpu[step.kind === "store" ? "store64" : "exchange64"](...at, high(step.value), low(step.value));
            if (!judge(status, expected)) break;
            const word = `${reference.mappings.get(step.page)!.pfn}/${step.index}`;
            const before = reference.words.get(word) ?? 0n;
            if (step.kind !== "store") expect([cpu.valueHigh, cpu.valueLow]).toEqual([high(before), low(before)]);
            if (step.kind !== "load") reference.words.set(word, step.value);
          }
        }
      }
      expect(cpu.mmu.auditTlb(() => undefined)).toBe(0);
      expect(cpu.counters.unsynchronised).toBe(reference.unsynchronised);
      for (const [word, expected] of reference.words) {
        const [pfn, index] = word.split("/").map(Number);
        const at = wordAt(index!);
        expect(toy.memory.read(pfn!, at)).toEqual({ high: high(expected), low: low(expected) });
      }
    }),
    { numRuns: runs(400) },
  );
});
