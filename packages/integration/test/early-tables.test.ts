import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, lazily, resolve } from "@kpkeys/core";
import { EarlyMemory, ExtensionPoints } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import { PgtablesWarnings } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

/** A feature that takes all of memblock before the linear map is made, and records the early table pages of its notifications. */
function thief(notified: number[]): Plugin {
  return {
    id: "thief",
    kind: "feature",
    description: "takes the memory of early boot",
    contract: 2,
    config: [],
    setup(container) {
      const points = resolve(container, ExtensionPoints);
      const memory = lazily(container, EarlyMemory);
      points.on("earlyTablePage", (pfn) => {
        notified.push(pfn);
      });
      points.on("initPhase", (phase) => {
        if (phase !== "memblock") return;
        for (const run of [1024, 1]) while (memory().alloc(run, 1) !== undefined);
      });
    },
  };
}

describe.each(ARCHES)("early table pages of %s", (arch) => {
  it("end in a coded error when memblock has none left, and no feature is notified of the failed allocation", () => {
    const notified: number[] = [];
    const registry = createPluginRegistry([arm64Poe, x86Pks, thief(notified)]);
    const spec = { ...DEFAULT_SPEC, arch, features: ["thief"], memory: [{ bytes: 128 * 2 ** 20 }] };
    let code: unknown;
    try {
      buildMachine(spec, registry);
    } catch (error) {
      code = (error as { readonly code?: unknown }).code;
    }
    expect(code).toBe("ERR_OUT_OF_MEMORY");
    expect(notified).toEqual([]);
  });

  it("that no range is left for stay open, are warned of once, and are the only ones", () => {
    const full = hardened(arch);
    expect(coverageOf(full, full.scan()).gaps).toEqual([]);
    const booted = hardened(arch, { earlyRanges: 0 });
    const { gaps, bySource } = coverageOf(booted, booted.scan());
    expect(new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))).toEqual(
      new Set(["early linear", "vmemmap linear"]),
    );
    const open = bySource.early.pages + bySource.vmemmap.pages;
    expect(gaps.reduce((sum, { pages }) => sum + pages, 0)).toBe(open);
    expect(booted.get(PgtablesWarnings)).toHaveLength(1);
  });
});
