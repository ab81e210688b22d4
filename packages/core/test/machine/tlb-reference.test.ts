import { toPfn, toAsid } from "../../src/contracts/index.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../../vitest.runs.js";
import { Access, OK, Privilege } from "../../src/contracts/index.js";
import type { TlbGeometry } from "../../src/machine/index.js";
import { A, createToy, D, FIRST_DATA_PFN, G, high, leaf, low, U, W } from "./toy.js";

// A textbook TLB: a list for each set, the next victim first. Whether an access walks shows which translations the TLB has, and that
// the fast tags agree.

interface Held {
  readonly page: number;
  /** The address space; undefined for all of them. */
  readonly asid: number | undefined;
}

class Textbook {
  private readonly sets: Held[][];
  constructor(private readonly geometry: TlbGeometry) {
    this.sets = Array.from({ length: Math.max(1, geometry.sets) }, () => []);
  }

  setOf(page: number): Held[] {
    return this.sets[page % this.sets.length]!;
  }

  /** @returns whether the access has to walk */
  access(page: number, current: number, isGlobal: boolean): boolean {
    const { sets, ways, replacement } = this.geometry;
    if (sets * ways === 0) return true;
    const set = this.setOf(page);
    const found = set.findIndex((held) => held.page === page && (held.asid === undefined || held.asid === current));
    if (found >= 0) {
      if (replacement === "lru") set.push(...set.splice(found, 1));
      return false;
    }
    if (set.length === ways) set.shift();
    set.push({ page, asid: isGlobal ? undefined : current });
    return true;
  }

  drop(which: (held: Held) => boolean): void {
    for (const set of this.sets) set.splice(0, set.length, ...set.filter((held) => !which(held)));
  }
}

/** 24 pages, by number: four slots of the fast tags, which six pages share each. Every third is not global. */
const PAGES = Array.from({ length: 24 }, (_, i) => (i >> 2) * 1024 + (i & 3));
const address = (page: number): bigint => BigInt(page) << 12n;
const isGlobal = (page: number): boolean => page % 3 !== 0;
const contentOf = (page: number): number => 1000 + page;

const page = fc.constantFrom(...PAGES);
const operation = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant("store" as const), page }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("load" as const), page }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("probe" as const), page }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("invalidate" as const), page, pages: fc.constantFrom(1, 3, 4000) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("asid" as const), asid: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("dropAsid" as const), asid: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("register" as const), value: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("all" as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
const operations = fc.array(operation, { minLength: 1, maxLength: 150, size: "max" });
const sets = fc.constantFrom(0, 1, 2, 4, 1024, 2048);
const ways = fc.nat(5);

/** Runs the operations. `judge` receives page, address space and whether it walked for each access. */
function run(
  tlb: TlbGeometry,
  steps: readonly Operation[],
  judge: (page: number, asid: number, walked: boolean) => void,
  drop: (which: (held: Held) => boolean) => void,
): void {
  const toy = createToy({ tlb, needsBarrier: false });
  const { cpu } = toy;
  PAGES.forEach((page, i) => {
    toy.map(toy.userRoot, address(page), leaf(FIRST_DATA_PFN + i, W | U | A | D | (isGlobal(page) ? G : 0)));
    toy.memory.write(FIRST_DATA_PFN + i, 0, { high: 0, low: contentOf(page) });
  });
  let asid = 1;
  for (const step of steps) {
    switch (step.kind) {
      case "invalidate": {
        const { page: first, pages } = step;
        cpu.mmu.invalidateRange(high(address(first)), low(address(first)), pages);
        drop(({ page }) => page >= first && page < first + pages);
        break;
      }
      case "asid":
        asid = step.asid;
        cpu.mmu.setUserRoot(toPfn(toy.userRoot), toAsid(asid));
        break;
      case "dropAsid":
        cpu.mmu.invalidateAsid(toAsid(step.asid));
        drop((held) => held.asid === step.asid);
        break;
      case "register":
        cpu.writePkeyRegister(0, step.value << 8);
        break;
      case "all":
        cpu.mmu.invalidateAll();
        drop(() => true);
        break;
      default: {
        const at = [high(address(step.page)), low(address(step.page))] as const;
        const before = cpu.counters.walks;
        if (step.kind === "load") {
          expect([cpu.load64(...at), cpu.valueLow]).toEqual([OK, contentOf(step.page)]);
        } else if (step.kind === "store") expect(cpu.store64(...at, 0, contentOf(step.page))).toBe(OK);
        else expect(cpu.access(...at, Access.READ, Privilege.USER)).toBe(OK);
        judge(step.page, asid, cpu.counters.walks !== before);
      }
    }
  }
  expect(cpu.mmu.auditTlb(() => undefined)).toBe(0);
}

describe("a TLB of any size", () => {
  test("has the translations of a textbook TLB, least recently used or first in first out", () => {
    fc.assert(
      fc.property(
        sets,
        ways,
        fc.constantFrom("lru" as const, "fifo" as const),
        operations,
        (sets, ways, replacement, steps) => {
          const tlb = { sets, ways, replacement, seed: 1 };
          const textbook = new Textbook(tlb);
          run(
            tlb,
            steps,
            (page, asid, walked) => {
              expect(walked).toBe(textbook.access(page, asid, isGlobal(page)));
            },
            (which) => {
              textbook.drop(which);
            },
          );
        },
      ),
      { numRuns: runs(1500) },
    );
  });

  test("that evicts at random evicts only from a full set, and the same translations for the same seed", () => {
    fc.assert(
      fc.property(sets, ways, fc.integer(), operations, (sets, ways, seed, steps) => {
        const tlb = { sets, ways, replacement: "random" as const, seed };
        const runs = [0, 1].map(() => {
          /** Translations that were not invalidated since their fill, and whether they may be evicted by now. */
          let filled: (Held & { evictable: boolean })[] = [];
          const walks: boolean[] = [];
          run(
            tlb,
            steps,
            (page, asid, walked) => {
              const own = filled.find((held) => held.page === page && (held.asid ?? asid) === asid);
              if (own === undefined) expect(walked).toBe(true);
              else if (sets * ways > 0 && !own.evictable) expect(walked).toBe(false);
              const rivals = filled.filter((held) => held !== own && held.page % sets === page % sets);
              if (walked && rivals.length >= ways) for (const rival of rivals) rival.evictable = true;
              if (own === undefined) filled.push({ page, asid: isGlobal(page) ? undefined : asid, evictable: false });
              else own.evictable = false;
              walks.push(walked);
            },
            (which) => {
              filled = filled.filter((held) => !which(held));
            },
          );
          return walks;
        });
        expect(runs[0]).toEqual(runs[1]);
      }),
      { numRuns: runs(300) },
    );
  });

  test("that evicts at random selects among all ways, by its seed", () => {
    const survivors = new Set<string>();
    const ways = 4;
    for (let seed = 0; seed < 64; seed++) {
      const toy = createToy({ tlb: { sets: 1, ways, replacement: "random", seed } });
      for (let page = 0; page <= ways; page++) {
        toy.map(toy.userRoot, address(page), leaf(FIRST_DATA_PFN + page, W | G));
        toy.cpu.load64(high(address(page)), low(address(page)));
      }
      // The stale translations are those of the first pages that were not evicted.
      for (let page = 0; page < ways; page++) toy.map(toy.userRoot, address(page), 0n);
      const left: number[] = [];
      toy.cpu.mmu.auditTlb((h, l) => left.push(h + l));
      survivors.add(left.sort((a, b) => a - b).join());
    }
    expect(survivors.size).toBe(ways);
  });
});
