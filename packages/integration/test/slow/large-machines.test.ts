import { createPluginRegistry } from "@kpkeys/core";
import { PageKeys, PageTableFormat } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameKeys } from "../../../../examples/frame-keys/src/index.js";
import { ARCHES, hardened, leafOf } from "../machines.js";

const TIB = 2 ** 40;

describe.each(ARCHES)("a linear map that is generated when it is looked at, on %s", (arch) => {
  it("boots 1 TiB in memory for what was changed, with each page mapped and each table keyed", () => {
    const before = process.memoryUsage().external;
    const machine = hardened(arch, {}, { memory: [{ bytes: TIB }] });
    // An allocation that would start a garbage collection: a byte for every page would be 2^28.
    expect(process.memoryUsage().external - before).toBeLessThan(2 ** 26);
    const { memory } = machine;
    const format = machine.get(PageTableFormat);
    expect(machine.counters().tableWrites).toBeGreaterThan(2 ** 28);
    expect(memory.materialisedPages).toBeLessThan(5000);
    const pfns = fc.integer({ min: memory.firstPfn, max: memory.endPfn - 1 });
    fc.assert(
      fc.property(pfns, (pfn) => {
        const { type, level, high, low } = leafOf(machine, pfn);
        expect([type, level, format.pfnOf(high, low)]).toEqual(["leaf", 3, pfn]);
        // A page is keyed if and only if it is a table: its leaf table is one.
        const table = leafOf(machine, pfn).table;
        const own = leafOf(machine, table);
        expect(format.entryKeys!.pkeyOf(own.high, own.low)).toBe(1);
      }),
      { numRuns: 300 },
    );
    expect(memory.materialisedPages).toBeLessThan(6000);
  });
});

describe("keys of frames", () => {
  it("take memory for the chunks that have keys, and a machine of 1 TiB boots with them", () => {
    const registry = createPluginRegistry([frameKeys, pgtablesHardening]);
    const before = process.memoryUsage().external;
    const machine = buildMachine(
      { ...DEFAULT_SPEC, memory: [{ bytes: TIB }], arch: "frame-keys", features: ["pgtables"] },
      registry,
    );
    // A byte for every frame would be 2^28.
    expect(process.memoryUsage().external - before).toBeLessThan(2 ** 26);
    const keys = machine.get(PageKeys);
    const { memory } = machine;
    fc.assert(
      fc.property(fc.integer({ min: memory.firstPfn, max: memory.endPfn - 1 }), (pfn) => {
        const { level, table } = leafOf(machine, pfn);
        expect([level, keys.ofFrame(table)]).toEqual([3, 1]);
      }),
      { numRuns: 300 },
    );
  });
});
