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
import { loadPluginFrom } from "../check-plugin/load.js";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { ARCHES, FEATURES } from "../plugins.js";
import type { ArchId } from "../plugins.js";
import { budgetTextOf } from "../report/budget.js";
import type { ArchBudget } from "../report/budget.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/** What two features that want the same come to. */
const CONFLICTS: readonly ErrorCode[] = ["ERR_PKEY_DUPLICATE", "ERR_CONTEXT_DUPLICATE", "ERR_GUARD_TAKEN"];

/**
 * `kpkeys budget`: contexts and keys of features against the keys that architectures have.
 * @param modules - packages and ES modules with features beside those that come along
 * @param flags - the command line's
 * @returns the exit status
 * @throws KpkeysError for a module that cannot be loaded or is no feature
 */
export async function budget(
  modules: readonly string[],
  flags: Pick<CommonFlags, "arch" | "feature" | "json">,
): Promise<number> {
  const features = await Promise.all(flags.feature.map((id) => FEATURES[id]()));
  for (const path of modules) features.push(...(await featuresOf(path)));
  const arches = await Promise.all(flags.arch.map((id) => budgetOn(id, features)));
  if (flags.json === true) printJson({ arches });
  else print(budgetTextOf(arches, styleFor(process.stdout)));
  return arches.every(({ budget }) => budget?.fits === true) ? EXIT.GOOD : EXIT.FAILED;
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
