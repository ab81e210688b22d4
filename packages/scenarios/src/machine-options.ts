import type { PluginOptions } from "@kpkeys/core/contracts";
import type { KernelPolicies, MachineSpec } from "@kpkeys/kernel";
import { POLICIES } from "./policies.js";
import type { Policy } from "./policies.js";
import { SERIES } from "./series.js";
import type { SeriesName } from "./series.js";

/** The fields of a machine's specification that a version of the series and a policy determine. */
export interface MachineOptions<Feature extends string> extends Pick<MachineSpec, "options"> {
  /** Ids of the feature plugins; none with the policy `off`. */
  readonly features: readonly Feature[];
  /** Policies of the kernel. */
  readonly kernel: KernelPolicies;
  /** The form of KUnit suites. */
  readonly kunit: NonNullable<MachineSpec["kunit"]>;
}

/**
 * Returns the part of a machine's specification that a version of the series and a policy determine.
 *
 * @param series - the version
 * @param policy - the policy
 * @param arch - id of the architecture plugin
 * @param features - ids of the feature plugins to load unless the policy is `off`
 * @returns fields to spread over a specification. `options` has an entry for the architecture and for each loaded feature
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

/** Without hardening the key register is not saved or reset. The mappings are the same, so that the tables are comparable. */
function mappingOf({ linearMap = "pte", irqStacks = "linear" }: KernelPolicies): KernelPolicies {
  return { linearMap, irqStacks };
}
