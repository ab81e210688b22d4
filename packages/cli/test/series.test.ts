import { describe, expect, test } from "vitest";
import { runJob } from "../src/job.js";
import { jobsOf } from "../src/options.js";
import { ARCHES } from "../src/plugins.js";
import type { ArchId } from "../src/plugins.js";
import { isDocumented, SERIES } from "../src/series.js";
import type { Policy, SeriesName } from "../src/series.js";

const arches = Object.keys(ARCHES) as ArchId[];
const versions = Object.keys(SERIES) as SeriesName[];

/** Boots one machine and looks at everything. */
function check(arch: ArchId, series: SeriesName, policy: Policy, pkeys = true): ReturnType<typeof runJob> {
  const lists = { arch: [arch], series: [series], policy: [policy], feature: ["pgtables"] as const };
  const [job] = jobsOf({ ...lists, memory: 2 ** 30, cpus: 1, pkeys, seed: 1 });
  return runJob({ ...job!, checks: ["coverage", "attack", "kunit"] });
}

describe.each(arches)("%s", (arch) => {
  test.each(versions)("in series %s leaves open what the series documents and nothing else", async (series) => {
    const { coverage, attack } = await check(arch, series, "batched");
    const open = [...coverage!.gaps, ...attack!.gaps];
    expect(open.filter((gap) => !isDocumented(series, gap))).toEqual([]);
    for (const { source, mapping, fromBoot } of SERIES[series].documentedGaps)
      if (fromBoot) expect(open).toContainEqual(expect.objectContaining({ source, mapping }));
  });

  test.each(versions)(
    "in series %s fails the KUnit cases that a documented gap explains and no other",
    async (series) => {
      const { kunit } = await check(arch, series, "batched");
      const failed = kunit!.flatMap(({ cases }) => cases).filter(({ status }) => status === "failed");
      const explained = SERIES[series].documentedGaps.flatMap(({ kunitCase = [] }) => kunitCase);
      expect(failed.map(({ name }) => name)).toEqual(explained);
    },
  );

  test("in series next has every table page keyed or read-only, and blocks every attack", async () => {
    const { coverage, attack } = await check(arch, "next", "batched");
    expect(coverage!.keyed + coverage!.readOnly).toBe(coverage!.pages);
    expect(coverage!.gaps).toEqual([]);
    expect(attack!.tried).toBeGreaterThan(coverage!.pages);
    expect(attack!.blocked).toBe(attack!.tried);
  });

  test("with the hardening off is attacked as often, and every attack goes through", async () => {
    const [on, off] = [await check(arch, "next", "batched"), await check(arch, "next", "off")];
    expect(off.attack!.tried).toBe(on.attack!.tried);
    expect(off.attack!.blocked).toBe(0);
  });

  test("without pkeys blocks nothing and skips the suite with the kernel's words", async () => {
    const { attack, kunit } = await check(arch, "next", "batched", false);
    expect(attack!.blocked).toBe(0);
    const cases = kunit!.flatMap((suite) => suite.cases);
    expect(cases.map(({ status, skipReason }) => [status, skipReason])).toEqual(
      Array.from({ length: 5 }, () => ["skipped", "kpkeys are not supported"]),
    );
  });
});
