import { buildMachine } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import type { CheckResult } from "@kpkeys/workloads";
import { expect } from "vitest";
import { loadRegistry } from "../src/plugins/load.js";
import { jobFor } from "./job-for.js";
import { SERIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";

/** Boots a machine of a version of the series, with changed options. */
export async function bootSeries(
  arch: string,
  series: SeriesName,
  policy: Policy,
  changes: object = {},
  kernel: object = {},
): Promise<Machine> {
  const { plugins, spec } = jobFor(arch, { series: [series], policy: [policy] });
  const pgtables = { ...spec.options["pgtables"], ...changes };
  const changed = { ...spec, options: { ...spec.options, pgtables }, kernel: { ...spec.kernel, ...kernel } };
  return buildMachine(changed, await loadRegistry(plugins));
}

/** The places of gaps, each once. */
export function placesOf(gaps: readonly { readonly source: string; readonly mapping: string }[]): string[] {
  return [...new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))].sort();
}

/** Asserts that an audit of the whole replay found exactly the documented gaps of the series. */
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
