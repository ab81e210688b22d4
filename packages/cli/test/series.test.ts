import { countResults, formatKtap, readKtap } from "@kpkeys/kunit-suite";
import { describe, expect, test } from "vitest";
import { parseKtap } from "../../kunit-suite/test/parse-ktap.js";
import { runJob } from "../src/job.js";
import { BUNDLED, idsOf } from "../src/plugins/registry.js";
import { isDocumented, SERIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";
import { jobFor } from "./job-for.js";

const arches = idsOf("arch", BUNDLED);
const versions = Object.keys(SERIES) as SeriesName[];

/** Boots one machine and runs all checks. */
function check(arch: string, series: SeriesName, policy: Policy, pkeys = true): ReturnType<typeof runJob> {
  const job = jobFor(arch, { series: [series], policy: [policy], pkeys });
  return runJob({ ...job, checks: ["coverage", "attack", "kunit"] });
}

/** The suite of each version, copied by hand from the posted patches. */
function suiteOf(series: SeriesName, arch: string): [name: string, cases: string[]] {
  const old = "Hardened pgtables using kpkeys";
  if (series === "v3") return [old, ["write_linear_map_pte", "write_user_pmd"]];
  if (series === "v4" || series === "v5")
    return [old, ["write_linear_map_pte", "write_kernel_vmalloc_pte", "write_user_pmd"]];
  const common = ["write_direct_map_pgtables", "write_kernel_image_pud", "write_kernel_vmalloc_pte"];
  const own = series !== "v6" ? ["write_vmemmap_pmd"] : arch === "arm64-poe" ? ["write_early_kernel_vmap_pte"] : [];
  return ["kpkeys_hardened_pgtables", [...common, ...own, "write_user_pmd"]];
}

/** Parses the document with two independent parsers: the reader of kpkeys and the grammar of the kernel's documentation. */
function expectGoodKtap(document: string): void {
  expect(readKtap(document).errors).toEqual([]);
  expect(parseKtap(document).errors).toEqual([]);
}

describe.each(arches)("%s", (arch) => {
  test.each(versions)("in series %s has exactly the documented gaps", async (series) => {
    const { coverage, attack } = await check(arch, series, "batched");
    const open = [...coverage!.gaps, ...attack!.gaps];
    expect(open.filter((gap) => !isDocumented(series, gap))).toEqual([]);
    for (const { source, mapping, fromBoot } of SERIES[series].documentedGaps)
      if (fromBoot) expect(open).toContainEqual(expect.objectContaining({ source, mapping }));
  });

  test.each(versions)("in series %s passes its suite, as valid KTAP", async (series) => {
    const { kunit } = await check(arch, series, "batched");
    const [suite, ...others] = kunit!;
    expect(others).toEqual([]);
    expect([suite!.name, suite!.cases.map(({ name }) => name)]).toEqual(suiteOf(series, arch));
    expect(countResults(kunit!)).toEqual({ passed: suite!.cases.length, failed: 0, skipped: 0 });
    expectGoodKtap(formatKtap(kunit!));
  });

  test("in series next has every table page keyed or read-only, and blocks every attack", async () => {
    const { coverage, attack } = await check(arch, "next", "batched");
    expect(coverage!.keyed + coverage!.readOnly).toBe(coverage!.pages);
    expect(coverage!.gaps).toEqual([]);
    expect(attack!.tried).toBeGreaterThan(coverage!.pages);
    expect(attack!.blocked).toBe(attack!.tried);
  });

  test("with the hardening off has as many attacks, and blocks none", async () => {
    const [on, off] = [await check(arch, "next", "batched"), await check(arch, "next", "off")];
    expect(off.attack!.tried).toBe(on.attack!.tried);
    expect(off.attack!.blocked).toBe(0);
  });

  test("without pkeys blocks nothing and skips the suite with the kernel's message", async () => {
    const { attack, kunit } = await check(arch, "next", "batched", false);
    expect(attack!.blocked).toBe(0);
    const cases = kunit!.flatMap((suite) => suite.cases);
    expectGoodKtap(formatKtap(kunit!));
    expect(cases.map(({ status, skipReason }) => [status, skipReason])).toEqual(
      Array.from({ length: 5 }, () => ["skipped", "kpkeys are not supported"]),
    );
  });
});
