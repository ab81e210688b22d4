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
import { loadPlugin } from "../plugins/load.js";
import type { PluginEntry } from "../plugins/registry.js";
import type { ArchBudget } from "../report/budget.js";
import { loadPluginFrom } from "./load.js";

/** What two features that want the same come to. */
const CONFLICTS: readonly ErrorCode[] = ["ERR_PKEY_DUPLICATE", "ERR_CONTEXT_DUPLICATE", "ERR_GUARD_TAKEN"];

/** What a budget is made of. */
export interface BudgetRequest {
  /** Packages and ES modules with further features, whose code is run. */
  readonly modules: readonly string[];
  /** The plugins that there are. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** Ids of features. */
  readonly feature: readonly string[];
}

/**
 * Contexts and keys of features against the keys that architectures have.
 * @param request - the features and architectures
 * @throws KpkeysError for a module that cannot be loaded or has no feature
 */
export async function budgetsOf({ modules, plugins, arch, feature }: BudgetRequest): Promise<ArchBudget[]> {
  const load = (ids: readonly string[]): Promise<Plugin[]> =>
    Promise.all(plugins.filter(({ id }) => ids.includes(id)).map(loadPlugin));
  const [arches, features] = await Promise.all([load(arch), load(feature)]);
  for (const path of modules) features.push(...(await featuresOf(path)));
  // A package may be named as a plugin too.
  const different = [...new Set(features)];
  return arches.map((each) => budgetOn(each, different));
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
function budgetOn(arch: Plugin, features: readonly Plugin[]): ArchBudget {
  const registry = createPluginRegistry([arch, ...features]);
  const container = createContainer();
  registerFramework(container);
  const ids = features.map(({ id }) => id);
  try {
    const { keyOwners } = registry.setUp(container, arch.id, ids);
    return {
      arch: arch.id,
      features: ids,
      conflict: null,
      budget: keyBudget(resolve(container, Kpkeys), resolve(container, PkeyRegister), keyOwners),
    };
  } catch (error) {
    if (!(error instanceof KpkeysError) || !CONFLICTS.includes(error.code)) throw error;
    return { arch: arch.id, features: ids, conflict: { code: error.code, message: error.message }, budget: null };
  }
}
