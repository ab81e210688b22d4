import {
  createContainer,
  createPluginRegistry,
  keyBudget,
  KpkeysError,
  registerFramework,
  resolve,
} from "@kpkeys/core";
import type { ErrorCode } from "@kpkeys/core";
import { Kpkeys, PkeyRegister } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { ARCHES, FEATURES } from "../plugins.js";
import type { ArchId, FeatureId } from "../plugins.js";
import type { ArchBudget } from "../report/budget.js";
import { loadPluginFrom } from "./load.js";

/** What two features that want the same come to. */
const CONFLICTS: readonly ErrorCode[] = ["ERR_PKEY_DUPLICATE", "ERR_CONTEXT_DUPLICATE", "ERR_GUARD_TAKEN"];

/** What a budget is made of. */
export interface BudgetRequest {
  /** Packages and ES modules with further features, whose code is run. */
  readonly modules: readonly string[];
  /** Architectures. */
  readonly arch: readonly ArchId[];
  /** Bundled features. */
  readonly feature: readonly FeatureId[];
}

/**
 * Contexts and keys of features against the keys that architectures have.
 * @param request - the features and architectures
 * @throws KpkeysError for a module that cannot be loaded or has no feature
 */
export async function budgetsOf({ modules, arch, feature }: BudgetRequest): Promise<ArchBudget[]> {
  const features = await Promise.all(feature.map((id) => FEATURES[id]()));
  for (const path of modules) features.push(...(await featuresOf(path)));
  return Promise.all(arch.map((id) => budgetOn(id, features)));
}

async function featuresOf(path: string): Promise<Plugin[]> {
  const features = (await loadPluginFrom(path)).plugins.filter(({ kind }) => kind === "feature");
  if (features.length > 0) return features;
  throw new KpkeysError("ERR_PLUGIN_LOAD", "no plugin that it exports is a feature", {
    where: path,
    expected: "a feature",
  });
}

/** The plugins are set up as for a machine, and no machine is made. */
async function budgetOn(arch: ArchId, features: readonly Plugin[]): Promise<ArchBudget> {
  const registry = createPluginRegistry([await ARCHES[arch](), ...features]);
  const container = createContainer();
  registerFramework(container);
  const ids = features.map(({ id }) => id);
  try {
    const { keyOwners } = registry.setUp(container, arch, ids);
    return {
      arch,
      features: ids,
      conflict: null,
      budget: keyBudget(resolve(container, Kpkeys), resolve(container, PkeyRegister), keyOwners),
    };
  } catch (error) {
    if (!(error instanceof KpkeysError) || !CONFLICTS.includes(error.code)) throw error;
    return { arch, features: ids, conflict: { code: error.code, message: error.message }, budget: null };
  }
}
