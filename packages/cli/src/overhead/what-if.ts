import type { KernelPolicies } from "@kpkeys/kernel";
import type { PgtablesOptions } from "@kpkeys/pgtables-hardening";
import type { Exposure } from "@kpkeys/workloads";
import { estimateOverhead } from "@kpkeys/workloads/cost";
import type { CostFile, OverheadEstimate } from "@kpkeys/workloads/cost";
import type { Job, JobResult } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { idsOf, standardFeatures } from "../plugins/registry.js";
import type { PluginEntry } from "../plugins/registry.js";

/** Another way to build the hardening, as what differs from the newest form of the series. */
interface Variant {
  readonly name: string;
  readonly pgtables?: PgtablesOptions;
  readonly kernel?: KernelPolicies;
  readonly skipEqualWrites?: boolean;
  readonly cpus?: number;
}

/** First where the guards are placed, then what else could be otherwise with lazy MMU sections. */
const VARIANTS: readonly Variant[] = [
  { name: "setter", pgtables: { batching: false } },
  { name: "lazy MMU section" },
  { name: "page-table lock", pgtables: { batching: false, placement: "table-lock" } },
  { name: "lock and lazy MMU", pgtables: { placement: "table-lock" } },
  { name: "operation", pgtables: { batching: false, placement: "operation" } },
  { name: "leaf tables mapped", pgtables: { placement: "leaf-mapping" } },
  { name: "lazy, equal writes made", skipEqualWrites: false },
  { name: "lazy, reset on exception", kernel: { exceptionEntry: "reset" } },
  { name: "lazy, block-mapped", kernel: { linearMap: "block" }, pgtables: { tagging: "block-allocator" } },
  { name: "lazy, 8 CPUs", cpus: 8 },
  { name: "leaf mapped, 8 CPUs", pgtables: { placement: "leaf-mapping" }, cpus: 8 },
];

/** What a variant costs on a workload, and what it leaves open. */
export interface WhatIfRow {
  /** The architecture's id. */
  readonly arch: string;
  /** Where the guards are placed, or what else is otherwise. */
  readonly variant: string;
  /** Register writes. */
  readonly registerWrites: number;
  /** Barriers that synchronise them. */
  readonly barriers: number;
  /** Changes of the linear map: calls of set_memory_pkey and of the set_direct_map family. */
  readonly linearMapChanges: number;
  /** TLB invalidations, each CPU's counted apart. */
  readonly tlbInvalidations: number;
  /** Estimated system time added; `null` where there are no unit costs. A change of the linear map counts as set_memory_pkey of one page. */
  readonly overhead: OverheadEstimate | null;
  /** CPUs that can write while a window is open: the one whose key register was written, or all for which a page is mapped. */
  readonly writers: number;
  /** How long table pages were writable, and what else ran. */
  readonly exposure: Exposure;
  /** Interrupts of a hundred whose handlers would begin with tables writable, if they came as evenly as table accesses. */
  readonly privilegedHandlers: number;
}

/**
 * Jobs that replay a recording on a machine of each variant.
 * @param plugins - the plugins that there are: each architecture is taken, and the features that a machine has unless they are chosen
 * @param trace - the recording
 */
export function whatIfJobs(plugins: readonly PluginEntry[], trace: string): Job[] {
  const flags = { ...STANDARD, plugins, feature: standardFeatures(plugins) };
  const arches = idsOf("arch", plugins);
  return arches.flatMap((arch) => VARIANTS.map((variant) => jobOf({ ...flags, arch: [arch] }, variant, trace)));
}

function jobOf(flags: CommonFlags, { pgtables, kernel, skipEqualWrites, cpus = 1 }: Variant, trace: string): Job {
  const [job] = jobsOf({ ...flags, cpus });
  const { spec } = job!;
  const { arch } = spec;
  const options = {
    ...spec.options,
    [arch]: { ...spec.options[arch], ...(skipEqualWrites !== undefined && { skipEqualWrites }) },
    pgtables: { ...spec.options["pgtables"], ...pgtables },
  };
  const isMapping = pgtables?.placement === "leaf-mapping";
  return {
    ...job!,
    spec: { ...spec, options, kernel: { ...spec.kernel, ...kernel }, ...(isMapping && { boot: { rodata: "full" } }) },
    trace,
    openedBy: isMapping ? "table lock" : "key register",
  };
}

const STANDARD: Omit<CommonFlags, "plugins" | "arch" | "feature"> = {
  series: ["next"],
  policy: ["batched"],
  memory: 2 * 2 ** 30,
  cpus: 1,
  pkeys: true,
};

/**
 * What came of the jobs.
 * @param results - of {@link whatIfJobs}, in that order
 * @param costs - the unit costs
 */
export function whatIfRows(results: readonly JobResult[], costs: CostFile): WhatIfRow[] {
  return results.map(({ job, replay, exposure }, i): WhatIfRow => {
    const { counters } = replay!;
    const { registerWrites, barriers, setMemoryPkeyCalls, directMapCalls, tlbInvalidations } = counters;
    const linearMapChanges = setMemoryPkeyCalls + directMapCalls;
    const { arch, kernel } = job.spec;
    const priced = { ...counters, setMemoryPkeyCalls: linearMapChanges };
    const inherits = (kernel?.exceptionEntry ?? "inherit") === "inherit";
    return {
      arch,
      variant: VARIANTS[i % VARIANTS.length]!.name,
      registerWrites,
      barriers,
      linearMapChanges,
      tlbInvalidations: tlbInvalidations * job.spec.cpus,
      overhead: arch === costs.arch ? estimateOverhead(priced, costs) : null,
      writers: job.openedBy === "table lock" ? job.spec.cpus : 1,
      exposure: exposure!,
      privilegedHandlers: inherits ? 100 * exposure!.share : 0,
    };
  });
}
