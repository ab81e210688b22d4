import { Access, LinearMap, Privilege, toPfn } from "@kpkeys/core/contracts";
import { coverageOf, digestTables } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES, hardened, leafOf } from "./machines.js";

/** Gives every page that is kept as a run its content. */
function writeOut({ memory }: Machine): number {
  const before = memory.materialisedPages;
  const page = new Int32Array(2 ** (memory.pageShift - 2));
  for (let pfn = memory.firstPfn; pfn < memory.endPfn; pfn = toPfn(pfn + 1)) {
    if (!memory.readPage(pfn, page)) continue;
    const first = memory.read(pfn, 0);
    memory.write(pfn, 0, { high: ~first.high, low: first.low });
    memory.write(pfn, 0, first);
  }
  return memory.materialisedPages - before;
}

describe.each(ARCHES)("a linear map that is generated when it is looked at, on %s", (arch) => {
  it("answers as the one that is written out", () => {
    const generated = hardened(arch);
    const writtenOut = hardened(arch);
    expect(writeOut(writtenOut)).toBeGreaterThan(50);
    const machines = [generated, writtenOut];
    const look = (): unknown[] =>
      machines.map((each) => {
        const tables = each.scan();
        return [digestTables(each.memory, tables), each.digestTranslations(), coverageOf(each, tables)];
      });
    const { firstPfn, endPfn } = generated.memory;
    const pages = fc.array(fc.integer({ min: firstPfn, max: endPfn - 1 }), { maxLength: 20 });
    fc.assert(
      fc.property(pages, fc.constantFrom(Access.READ, Access.WRITE), (pfns, access) => {
        const [a, b] = machines.map((machine) => {
          const map = machine.get(LinearMap);
          const { current } = machine.cpus;
          const answers = pfns.map((pfn) => {
            const status = current.access(
              map.address(toPfn(pfn)).high,
              map.address(toPfn(pfn)).low,
              access,
              Privilege.KERNEL,
            );
            return [status, { ...current.fault }, leafOf(machine, pfn)];
          });
          return [answers, { ...current.counters }];
        });
        expect(a).toEqual(b);
      }),
      { numRuns: runs(30) },
    );
    const [generatedLooks, writtenLooks] = look();
    expect(generatedLooks).toEqual(writtenLooks);
    const [stores, storesWritten] = machines.map((each) => attack(each, each.scan()));
    expect(stores).toEqual(storesWritten);
    expect(look()).toEqual([generatedLooks, generatedLooks]);
  });
});
