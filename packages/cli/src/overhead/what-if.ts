import type { KernelPolicies } from "@kpkeys/kernel";
import type { PgtablesOptions } from "@kpkeys/pgtables-hardening";
import type { Exposure } from "@kpkeys/workloads";
import { estimateOverhead } from "@kpkeys/workloads/cost";
import type { CostFile, OverheadEstimate } from "@kpkeys/workloads/cost";
import type { Job, JobResult } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { idsOf, defaultFeatures } from "../plugins/registry.js";
import type { PluginEntry } from "../plugins/registry.js";

/** A variant of the hardening: the differences from the newest version of the series. */
interface Variant {
  readonly name: string;
  readonly pgtables?: PgtablesOptions;
  readonly kernel?: KernelPolicies;
  readonly skipEqualWrites?: boolean;
  readonly cpus?: number;
}

/** First the guard placements, then other options. The names with `lazy` have a guard per lazy MMU section. */
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

/** Cost and exposure of a variant on a workload. */
export interface WhatIfRow {
  /** The architecture's id. */
  readonly arch: string;
  /** The guard placement, or the other option. */
  readonly variant: string;
  /** Register writes. */
  readonly registerWrites: number;
  /** Barriers that synchronise them. */
  readonly barriers: number;
  /** Changes of the linear map: calls of set_memory_pkey and of the set_direct_map family. */
  readonly linearMapChanges: number;
  /** TLB invalidations, summed over the CPUs. */
  readonly tlbInvalidations: number;
  /** Estimated system time added; `null` for an architecture without unit costs. A change of the linear map is priced as set_memory_pkey of one page. */
  readonly overhead: OverheadEstimate | null;
  /** CPUs that can write during a window: one if the key register opens it, all if a mapping does. */
  readonly writers: number;
  /** How long table pages were writable. */
  readonly exposure: Exposure;
  /** Percentage of interrupt handlers that would start with tables writable, if interrupts were distributed like table accesses. */
  readonly privilegedHandlers: number;
}

/**
 * Jobs that replay a recording on a machine of each variant and architecture.
 * @param plugins - all loaded plugins; machines have the default features
 * @param trace - the recording
 */
export function whatIfJobs(plugins: readonly PluginEntry[], trace: string): Job[] {
  const flags = { ...DEFAULT_FLAGS, plugins, feature: defaultFeatures(plugins) };
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

const DEFAULT_FLAGS: Omit<CommonFlags, "plugins" | "arch" | "feature"> = {
  series: ["next"],
  policy: ["batched"],
  memory: 2 * 2 ** 30,
  cpus: 1,
  pkeys: true,
};

/**
 * Makes a row of each result.
 * @param results - the results of {@link whatIfJobs}, in that order
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
