import type { PluginOptions } from "@kpkeys/core/contracts";
import type { KernelPolicies, MachineSpec } from "@kpkeys/kernel";
import { POLICIES } from "./policies.js";
import type { Policy } from "./policies.js";
import { SERIES } from "./series.js";
import type { SeriesName } from "./series.js";

/** The fields of a machine's specification that a version of the series and a policy decide. */
export interface MachineOptions<Feature extends string> extends Pick<MachineSpec, "options"> {
  /** Ids of the feature plugins; none with the policy `off`. */
  readonly features: readonly Feature[];
  /** What the kernel does. */
  readonly kernel: KernelPolicies;
  /** The form of KUnit suites. */
  readonly kunit: NonNullable<MachineSpec["kunit"]>;
}

/**
 * The part of a machine's specification that follows from a version of the series and a policy.
 *
 * @param series - the version
 * @param policy - the policy
 * @param arch - id of the architecture plugin
 * @param features - ids of the feature plugins that the policies with a hardening load
 * @returns the fields, to be spread over a specification; options of the plugins that the machine has, and of no other
 */
export function machineOptionsOf<Feature extends string>(
  series: SeriesName,
  policy: Policy,
  arch: string,
  features: readonly Feature[],
): MachineOptions<Feature> {
  const { kernel, kunit } = SERIES[series];
  const ofPolicy = POLICIES[policy];
  const loaded = ofPolicy === null ? [] : features;
  const optionsOf = (id: string): PluginOptions => ({ ...SERIES[series].options[id], ...ofPolicy?.[id] });
  return {
    features: loaded,
    options: Object.fromEntries([arch, ...loaded].map((id) => [id, optionsOf(id)])),
    kernel: ofPolicy === null ? mappingOf(kernel) : kernel,
    kunit,
  };
}

/** Without hardening nothing saves or resets the key register. What is mapped stays, so that the same tables are compared. */
function mappingOf({ linearMap = "pte", irqStacks = "linear" }: KernelPolicies): KernelPolicies {
  return { linearMap, irqStacks };
}
