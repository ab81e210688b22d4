import { MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VmaList } from "../../src/process/vma-list.js";
import { newVma, VmFlag } from "../../src/process/vma.js";

const ANONYMOUS = MapFlag.PRIVATE | MapFlag.ANONYMOUS;

/** The list as a map from pages to rights. */
function pagesOf(list: VmaList): Map<number, number> {
  const pages = new Map<number, number>();
  for (const { start, end, prot } of list.all) for (let page = start; page < end; page++) pages.set(page, prot);
  return pages;
}

describe("a list of mappings", () => {
  it("equals a map of pages and is ascending, disjoint and merged after every operation", () => {
    const change = fc.record({
      map: fc.boolean(),
      start: fc.nat({ max: 60 }),
      length: fc.integer({ min: 1, max: 20 }),
      prot: fc.nat({ max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const list = new VmaList();
        const oracle = new Map<number, number>();
        for (const { map, start, length, prot } of changes) {
          list.remove(toVpn(start), toVpn(start + length));
          if (map) list.insert(newVma(toVpn(start), toVpn(start + length), prot, ANONYMOUS));
          for (let page = start; page < start + length; page++) {
            if (map) oracle.set(page, prot);
            else oracle.delete(page);
          }
        }
        expect([...pagesOf(list)].sort(([a], [b]) => a - b)).toEqual([...oracle].sort(([a], [b]) => a - b));
        list.all.forEach((vma, i) => {
          const next = list.all[i + 1];
          expect(vma.start).toBeLessThan(vma.end);
          if (next !== undefined)
            expect(vma.end < next.start || (vma.end === next.start && vma.prot !== next.prot)).toBe(true);
        });
        for (let page = 0; page < 90; page++) {
          expect(list.find(toVpn(page))?.prot).toBe(oracle.get(page));
          const below = [...oracle.keys()].filter((mapped) => mapped < page);
          expect(list.endBelow(toVpn(page))).toBe(below.length === 0 ? 0 : Math.max(...below) + 1);
        }
      }),
    );
  });

  it("merges consecutive mappings of one file, but not of two files or two shared memories", () => {
    for (const flags of [MapFlag.PRIVATE, MapFlag.SHARED | MapFlag.ANONYMOUS]) {
      const list = new VmaList();
      list.insert(newVma(toVpn(0), toVpn(1), Prot.READ, flags, 1));
      list.insert(newVma(toVpn(1), toVpn(2), Prot.READ, flags, 2));
      expect(list.all.length).toBe(2);
    }
    const list = new VmaList();
    list.insert(newVma(toVpn(0), toVpn(9), Prot.READ, MapFlag.PRIVATE, 1));
    for (const vma of list.isolate(toVpn(3), toVpn(6))) vma.prot = 0;
    list.mergeAround(toVpn(3), toVpn(6));
    expect(list.all.length).toBe(3);
    for (const vma of list.isolate(toVpn(3), toVpn(6))) vma.prot = Prot.READ;
    list.mergeAround(toVpn(3), toVpn(6));
    expect(list.all.length).toBe(1);
  });

  it("merges a mapping without an anon_vma with a neighbour that has one, unless it is inherited", () => {
    for (const inherited of [false, true]) {
      const list = new VmaList();
      list.insert(newVma(toVpn(0), toVpn(1), Prot.READ, ANONYMOUS));
      if (inherited) list.inheritAnonVma(list.find(toVpn(0))!);
      else list.prepareAnonVma(list.find(toVpn(0))!);
      list.insert(newVma(toVpn(1), toVpn(2), Prot.READ, ANONYMOUS));
      expect(list.all.length).toBe(inherited ? 2 : 1);
      expect(list.find(toVpn(1))!.anonVma !== 0).toBe(!inherited);
    }
  });

  it("assigns one anon_vma to the pieces of a mapping that mprotect split, so that they can merge", () => {
    const list = new VmaList();
    list.insert(newVma(toVpn(0), toVpn(9), Prot.READ, ANONYMOUS));
    for (const vma of list.isolate(toVpn(3), toVpn(9))) vma.prot = 0;
    list.prepareAnonVma(list.find(toVpn(0))!);
    list.prepareAnonVma(list.find(toVpn(3))!);
    for (const vma of list.isolate(toVpn(3), toVpn(9))) vma.prot = Prot.READ;
    list.mergeAround(toVpn(3), toVpn(9));
    expect(list.all.length).toBe(1);
  });

  it("does not merge mappings with different madvise flags", () => {
    const list = new VmaList();
    list.insert(newVma(toVpn(0), toVpn(1), Prot.READ, ANONYMOUS));
    list.find(toVpn(0))!.flags |= VmFlag.DONTCOPY;
    list.insert(newVma(toVpn(1), toVpn(2), Prot.READ, ANONYMOUS));
    expect(list.all.length).toBe(2);
  });
});
