import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Vmalloc } from "@kpkeys/core/contracts";
import { buildMachine, digestTables } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { embeddedTrace, replayTrace } from "@kpkeys/workloads";
import type { CheckResult } from "@kpkeys/workloads";
import { describe, expect, test } from "vitest";
import { jobsOf } from "../src/options.js";
import { ARCHES, loadPlugins } from "../src/plugins.js";
import type { ArchId } from "../src/plugins.js";
import { SERIES } from "../src/series.js";
import type { Policy, SeriesName } from "../src/series.js";

const GIB = 2 ** 30;
const LUA_BUILD = fileURLToPath(new URL("../../../../shared/traces/lua-build.perf-script.txt.gz", import.meta.url));
const arches = Object.keys(ARCHES) as ArchId[];
const versions = Object.keys(SERIES) as SeriesName[];
/** Versions whose options are equal are one. */
const different = versions.filter((name, at) => versions.findIndex((other) => SERIES[other] === SERIES[name]) === at);

async function bootSeries(
  arch: ArchId,
  series: SeriesName,
  policy: Policy,
  changes: object = {},
  kernel: object = {},
): Promise<Machine> {
  const lists = { arch: [arch], series: [series], policy: [policy], feature: ["pgtables"] as const };
  const { spec } = jobsOf({ ...lists, memory: GIB, cpus: 1, pkeys: true })[0]!;
  const pgtables = { ...spec.options["pgtables"], ...changes };
  const changed = { ...spec, options: { ...spec.options, pgtables }, kernel: { ...spec.kernel, ...kernel } };
  return buildMachine(changed, await loadPlugins(arch, spec.features));
}

const placesOf = (gaps: readonly { readonly source: string; readonly mapping: string }[]): string[] =>
  [...new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))].sort();

/** What a check of the whole replay must have seen: the series' gaps and no other, at every look. */
function expectDocumented(series: SeriesName, { scans, pages, open, gaps }: CheckResult, vmalloc: boolean): void {
  const missesKernelTables = SERIES[series].features.pgtables.tagging === "ctor-missing-kernel";
  const documented = SERIES[series].documentedGaps.filter(({ fromBoot, source }) => {
    return fromBoot || (vmalloc && missesKernelTables && source === "kernel");
  });
  expect(placesOf(gaps)).toEqual(placesOf(documented));
  expect(pages).toBeGreaterThan(scans);
  expect(open > 0).toBe(documented.length > 0);
}

describe.each(arches)("on %s", (arch) => {
  if (!existsSync(LUA_BUILD)) console.warn(`the build of Lua is not replayed: there is no ${LUA_BUILD}`);

  test.skipIf(!existsSync(LUA_BUILD)).each(different)(
    "every table page is keyed or read-only at each look during a build of Lua, but for what %s documents",
    { timeout: 300_000 },
    async (series) => {
      const machine = await bootSeries(arch, series, "batched");
      // Kernel tables made after boot: what every system has before its first process.
      machine.get(Vmalloc).alloc(4);
      const { check, trace } = await replayTrace(machine, LUA_BUILD, { check: "sampled" });
      expect(trace.events).toBe(176_996);
      expect(check!.scans).toBeGreaterThan(200);
      expectDocumented(series, check!, true);
    },
  );

  test.each(["v3", "next"] as const)(
    "in %s each look after each event of gcc sees the same gaps",
    { timeout: 300_000 },
    async (series) => {
      const machine = await bootSeries(arch, series, "batched");
      const { check, trace } = await replayTrace(machine, embeddedTrace.trace, { check: "step" });
      expect(check!.scans).toBe(trace.events + 2);
      expectDocumented(series, check!, false);
    },
  );

  test.each(different)("in %s one switch a setter and one a section end in identical tables", async (series) => {
    const ends = [];
    for (const policy of ["naive", "batched"] as const) {
      const machine = await bootSeries(arch, series, policy);
      await replayTrace(machine, embeddedTrace.trace);
      ends.push(digestTables(machine.memory, machine.scan()));
    }
    expect(ends[1]).toBe(ends[0]);
  });

  test("all versions and ways of allocating tables end in the same translations", async () => {
    const digests = new Map<string, string>();
    for (const series of different) {
      // The keys of the image's mapping are attributes of its own, and v6's IRQ stacks are mapped: both are to be the same.
      const machine = await bootSeries(arch, series, "batched", { staticAliases: "linear" }, { irqStacks: "linear" });
      await replayTrace(machine, embeddedTrace.trace);
      digests.set(series, machine.digestTranslations());
    }
    expect(new Set(digests.values()).size, JSON.stringify([...digests])).toBe(1);
  });
});

test("a hole that no series documents fails the check, with the line, the address and the table", async () => {
  const machine = await bootSeries("arm64-poe", "next", "batched", { vmemmap: false });
  const { check } = await replayTrace(machine, embeddedTrace.trace, { check: "sampled" });
  expect(placesOf(check!.gaps)).toEqual(["vmemmap linear"]);
  for (const { line, address, table } of check!.gaps) {
    expect(line).toBe(0);
    expect(address).toMatch(/^ffff[0-9a-f]{12}$/);
    expect(machine.memory.contains(table)).toBe(true);
  }
});
