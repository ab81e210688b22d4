import { buildMachine } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import type { CheckResult } from "@kpkeys/workloads";
import { expect } from "vitest";
import { jobsOf } from "../src/options.js";
import { loadRegistry } from "../src/plugins/load.js";
import { BUNDLED } from "../src/plugins/registry.js";
import { SERIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";

/** Boots a machine of a version of the series, its options changed as a test wants. */
export async function bootSeries(
  arch: string,
  series: SeriesName,
  policy: Policy,
  changes: object = {},
  kernel: object = {},
): Promise<Machine> {
  const lists = { plugins: BUNDLED, arch: [arch], series: [series], policy: [policy], feature: ["pgtables"] as const };
  const { plugins, spec } = jobsOf({ ...lists, memory: 2 ** 30, cpus: 1, pkeys: true })[0]!;
  const pgtables = { ...spec.options["pgtables"], ...changes };
  const changed = { ...spec, options: { ...spec.options, pgtables }, kernel: { ...spec.kernel, ...kernel } };
  return buildMachine(changed, await loadRegistry(plugins));
}

/** Where gaps are, each place once. */
export function placesOf(gaps: readonly { readonly source: string; readonly mapping: string }[]): string[] {
  return [...new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))].sort();
}

/** What a check of the whole replay must have seen: the series' gaps and no other, at every look. */
export function expectDocumented(
  series: SeriesName,
  { scans, pages, open, gaps }: CheckResult,
  vmalloc: boolean,
): void {
  const missesKernelTables = SERIES[series].options["pgtables"]?.["tagging"] === "ctor-missing-kernel";
  const documented = SERIES[series].documentedGaps.filter(({ fromBoot, source }) => {
    return fromBoot || (vmalloc && missesKernelTables && source === "kernel");
  });
  expect(placesOf(gaps)).toEqual(placesOf(documented));
  expect(pages).toBeGreaterThan(scans);
  expect(open > 0).toBe(documented.length > 0);
}
