import * as arm64 from "@kpkeys/arch-arm64-poe";
import * as x86 from "@kpkeys/arch-x86-pks";
import * as bpf from "@kpkeys/bpf-hardening";
import * as core from "@kpkeys/core";
import * as contracts from "@kpkeys/core/contracts";
import * as machine from "@kpkeys/core/machine";
import * as cred from "@kpkeys/cred-hardening";
import * as explain from "@kpkeys/explain";
import * as kernel from "@kpkeys/kernel";
import type { Coverage, Machine } from "@kpkeys/kernel";
import * as kunit from "@kpkeys/kunit-suite";
import * as conformance from "@kpkeys/kunit-suite/conformance";
import * as museum from "@kpkeys/kunit-suite/museum";
import * as pgtables from "@kpkeys/pgtables-hardening";
import * as scenarios from "@kpkeys/scenarios";
import * as secrets from "@kpkeys/secret-keys";
import * as workloads from "@kpkeys/workloads";
import * as cost from "@kpkeys/workloads/cost";
import * as fitting from "@kpkeys/workloads/cost/fitting";
import * as report from "@kpkeys/workloads/report";

/** Functions that the test calls in the page. Every browser entry is imported as a whole. */
export const entries = {
  arm64,
  x86,
  bpf,
  core,
  contracts,
  machine,
  cred,
  explain,
  kernel,
  kunit,
  conformance,
  museum,
  pgtables,
  scenarios,
  secrets,
  workloads,
  cost,
  fitting,
  report,
};

const registry = core.createPluginRegistry([
  arm64.arm64Poe,
  x86.x86Pks,
  pgtables.pgtablesHardening,
  cred.credHardening,
  secrets.secretKeys,
]);

/** The machine of `kpkeys replay --policy batched --memory 256MiB`. */
function boot(arch: string): Machine {
  const options = scenarios.machineOptionsOf("next", "batched", arch, ["pgtables"]);
  const memory = [{ bytes: 256 * 2 ** 20 }];
  return kernel.buildMachine(
    { arch, ...options, memory, cpus: 1, boot: { rodata: "on" }, strict: false, seed: 1 },
    registry,
  );
}

/** The digest of a replay, as the command reports it: of counters, tables, and the coverage at the fullest moment. */
export async function digest(arch: string, url: string): Promise<string> {
  const booted = boot(arch);
  let coverage: Coverage | undefined;
  const onPeak = (): void => {
    const now = kernel.coverageOf(booted, booted.scan());
    if (coverage === undefined || now.pages > coverage.pages) coverage = now;
  };
  const { body } = await fetch(url);
  const replay = await workloads.replayTrace(booted, workloads.recordingOf(url, body!), { onPeak });
  onPeak();
  const column = {
    checked: {
      arch,
      series: "next",
      policy: "batched",
      pkeys: true,
      replay,
      tables: booted.digestTables(),
      coverage: coverage!,
      linearMap: booted.get(contracts.LinearMap).stats(),
      attack: null,
      kunit: null,
    },
    others: [],
    isDocumented: () => false,
  } as const;
  const { arches } = await report.reportOf([column], [], { costs: cost.RFC_V5_COSTS });
  return arches[0]!.digest;
}

/** The KUnit suites' results on a machine that has booted. */
export function suites(arch: string): kunit.KunitCounts {
  return kunit.countResults(kunit.runSuites(boot(arch)));
}

/** The rules of the conformance kit that an architecture breaks. */
export async function broken(arch: string): Promise<string[]> {
  const plugin = arch === x86.x86Pks.id ? x86.x86Pks : arm64.arm64Poe;
  const subject = { plugin, arches: [], features: [pgtables.pgtablesHardening] };
  const results = await conformance.checkConformance(subject);
  return results.filter(({ status }) => status === "failed").map(({ rule }) => rule);
}
