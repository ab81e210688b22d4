import { Kpkeys, PageTables } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

describe.each(ARCHES)("a hardened %s machine after boot", (arch) => {
  it("has every table page keyed or read-only, through every mapping", () => {
    const booted = hardened(arch);
    const coverage = coverageOf(booted, booted.scan());
    expect(coverage.keyed + coverage.readOnly).toBe(coverage.pages);
    expect(coverage.gaps).toEqual([]);
    expect(coverage.bySource.unknown.pages).toBe(0);
    for (const source of ["static", "early", "vmemmap"] as const)
      expect(coverage.bySource[source].pages).toBeGreaterThan(0);
  });

  it("has one read-only table on arm64, swapper_pg_dir, and none on x86", () => {
    const booted = hardened(arch);
    const readOnly = booted.scan().filter(({ aliases }) => !aliases.some(({ writable }) => writable));
    expect(readOnly.map(({ pfn }) => pfn)).toEqual(arch === "arm64-poe" ? [booted.get(PageTables).root] : []);
  });

  it("reaches every static table at two addresses: the linear map's and the image's", () => {
    const booted = hardened(arch);
    const statics = booted.scan().filter(({ source }) => source === "static");
    expect(statics.map(({ aliases }) => aliases.length)).toEqual(statics.map(() => 2));
  });

  it("starts with the key register that the manuals' layouts give: PGTABLES read-only, unused keys closed", () => {
    const booted = hardened(arch);
    const { pkeyRegisterHigh, pkeyRegisterLow } = booted.cpus.current;
    expect([pkeyRegisterHigh >>> 0, pkeyRegisterLow >>> 0]).toEqual([0, arch === "arm64-poe" ? 0x17 : 0x55555558]);
  });

  it("leaves the image's alias of the static tables open when the policy keys the linear one alone", () => {
    const booted = hardened(arch, { staticAliases: "linear" });
    const { gaps } = coverageOf(booted, booted.scan());
    expect(gaps.length).toBeGreaterThan(0);
    expect(new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))).toEqual(new Set(["static other"]));
  });

  it("is open everywhere without the feature", () => {
    const booted = machine(arch, { boot: { rodata: "off" } });
    const coverage = coverageOf(booted, booted.scan());
    expect(coverage.keyed + coverage.readOnly).toBe(0);
    expect(coverage.gaps.reduce((sum, { pages }) => sum + pages, 0)).toBe(coverage.pages);
  });

  it("switches nothing on a CPU without kernel pkeys", () => {
    const booted = hardened(arch, {}, { options: { [arch]: { pkeys: false } } });
    expect(booted.get(Kpkeys).supported()).toBe(false);
    expect(booted.counters()).toMatchObject({ barriers: 0, setMemoryPkeyCalls: 0 });
    expect(coverageOf(booted, booted.scan()).keyed).toBe(0);
  });

  it("boots with several CPUs, each with the initial key register and the kernel's root", () => {
    const booted = hardened(arch, {}, { cpus: 3 });
    const values = booted.cpus.all.map((cpu) => [cpu.pkeyRegisterLow, cpu.mmu.kernelRoot, cpu.mmu.enabled]);
    expect(new Set(values.map(String)).size).toBe(1);
  });
});
