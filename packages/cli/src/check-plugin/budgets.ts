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

/** Errors of two features that cannot be in the same machine. */
const CONFLICTS: readonly ErrorCode[] = [
  "ERR_PKEY_DUPLICATE",
  "ERR_CONTEXT_DUPLICATE",
  "ERR_CONTEXT_FOREIGN_KEY",
  "ERR_GUARD_TAKEN",
];

/** The features and architectures of a budget. */
export interface BudgetRequest {
  /** Packages and ES modules with more features. Their code is run. */
  readonly modules: readonly string[];
  /** All loaded plugins. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** Ids of features. */
  readonly feature: readonly string[];
}

/**
 * Finds the keys and contexts that features need on each architecture.
 * @param request - the features and architectures
 * @returns a budget for each architecture
 * @throws KpkeysError ERR_PLUGIN_LOAD for a module that cannot be loaded or has no feature; ERR_PLUGIN_INVALID; ERR_PKEY_UNKNOWN and
 *   ERR_CONTEXT_RIGHTS for a context that no machine accepts
 */
export async function budgetsOf({ modules, plugins, arch, feature }: BudgetRequest): Promise<ArchBudget[]> {
  const load = (ids: readonly string[]): Promise<Plugin[]> =>
    Promise.all(plugins.filter(({ id }) => ids.includes(id)).map(loadPlugin));
  const [arches, features] = await Promise.all([load(arch), load(feature)]);
  for (const path of modules) features.push(...(await featuresOf(path)));
  // A package may be both a module and a plugin.
  const unique = [...new Set(features)];
  return arches.map((each) => budgetOn(each, unique));
}

async function featuresOf(path: string): Promise<Plugin[]> {
  const features = (await loadPluginFrom(path)).plugins.filter(({ kind }) => kind === "feature");
  if (features.length > 0) return features;
  throw new KpkeysError("ERR_PLUGIN_LOAD", "it exports no feature", {
    where: path,
    expected: "an export with kind 'feature'",
  });
}

/** Sets up the plugins as for a machine, without building one. */
function budgetOn(arch: Plugin, features: readonly Plugin[]): ArchBudget {
  const registry = createPluginRegistry([arch, ...features]);
  const container = createContainer();
  registerFramework(container);
  const ids = features.map(({ id }) => id);
  try {
    registry.setUp(container, arch.id, ids);
    const kpkeys = resolve(container, Kpkeys);
    const budget = keyBudget(kpkeys, resolve(container, PkeyRegister));
    // Contexts are checked when they are compiled. With too many keys that fails, and the budget lists the keys.
    if (budget.fits) kpkeys.freeze();
    return { arch: arch.id, features: ids, conflict: null, budget };
  } catch (error) {
    if (!(error instanceof KpkeysError) || !CONFLICTS.includes(error.code)) throw error;
    return { arch: arch.id, features: ids, conflict: { code: error.code, message: error.message }, budget: null };
  }
}
