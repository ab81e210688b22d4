import { provide, resolve } from "@kpkeys/core";
import { CpuFactory, PageTableFormat, PgtableArch, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Plugin, Words } from "@kpkeys/core/contracts";
import { createCpu } from "@kpkeys/core/machine";
import { checkConformance } from "@kpkeys/kunit-suite/conformance";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { expect, test } from "vitest";
import { oddArch } from "../../../examples/odd-arch/src/index.js";
import { createRegime } from "../../../examples/odd-arch/src/regime.js";
import { createSystemRegisters } from "../../../examples/odd-arch/src/registers.js";

const PAGE_SHIFT = 16;
const SHIFTS = [42, 29, PAGE_SHIFT];
const INDEX_BITS = 13;
const ADDRESS_BITS = 55;
const PFNS_PER_HIGH_WORD = 2 ** (32 - PAGE_SHIFT);

/** The codec of the example with pages of 64 KiB: what a page-frame number and an index are made of differs. */
function widen(format: PageTableFormat): PageTableFormat {
  const withAddress = ({ high, low }: Words, pfn: number): Words => ({
    high: high | Math.floor(pfn / PFNS_PER_HIGH_WORD),
    low: low | (pfn << PAGE_SHIFT),
  });
  const levels = format.geometry.levels.map((level, i) => ({ ...level, shift: SHIFTS[i]!, indexBits: INDEX_BITS }));
  return {
    ...format,
    geometry: { ...format.geometry, pageShift: PAGE_SHIFT, levels, addressBits: ADDRESS_BITS },
    index(level, high, low) {
      const shift = SHIFTS[level]!;
      const bits = shift < 32 ? (high << (32 - shift)) | (low >>> shift) : high >>> (shift - 32);
      return bits & (2 ** INDEX_BITS - 1);
    },
    makeTable: (pfn, user) => withAddress(format.makeTable(toPfn(0), user), pfn),
    makeLeaf: (level, pfn, protection) => withAddress(format.makeLeaf(level, toPfn(0), protection), pfn),
    pfnOf: (high, low) => toPfn((high & 0xffff) * PFNS_PER_HIGH_WORD + (low >>> PAGE_SHIFT)),
  };
}

/** The example architecture with pages of 64 KiB and an image far from the start of RAM. */
const wideArch: Plugin = {
  ...oddArch,
  setup(container, options) {
    oddArch.setup(container, options);
    const pgtable = resolve(container, PgtableArch);
    provide(container, PageTableFormat, widen(resolve(container, PageTableFormat)));
    provide(container, PgtableArch, { ...pgtable, layout: { ...pgtable.layout, imageOffset: 2 ** 28 } });
    provide(container, CpuFactory, {
      create(id) {
        const systemRegisters = createSystemRegisters(options["pkeys"] !== false);
        const { levels, ...regime } = createRegime(systemRegisters.controls);
        const wide = levels.map((level, i) => ({ ...level, shift: SHIFTS[i]! }));
        const memory = resolve(container, PhysicalMemory);
        return createCpu({
          id,
          memory,
          systemRegisters,
          regime: { ...regime, levels: wide, addressBits: ADDRESS_BITS },
        });
      },
    });
  },
};

test("the kit judges an architecture with pages of 64 KiB", async () => {
  const results = await checkConformance({ plugin: wideArch, arches: [], features: [pgtablesHardening] });
  const failed = results.filter(({ status }) => status === "failed");
  expect(failed.map(({ rule, findings }) => [rule, ...findings])).toEqual([]);
  expect(results.filter(({ rule }) => rule.startsWith("kernel/")).every(({ status }) => status === "ok")).toBe(true);
});
