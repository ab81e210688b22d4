import { budgetsOf } from "../check-plugin/budgets.js";
import { runApart } from "../check-plugin/apart.js";
import { pluginPathKind } from "../check-plugin/path.js";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { budgetTextOf } from "../report/budget.js";
import type { ArchBudget } from "../report/budget.js";
import type { PluginFlags } from "./check-plugin.js";
import { printReport, withErrorDocument } from "./print.js";

/** The flags of `kpkeys budget`. */
export type BudgetFlags = PluginFlags & Pick<CommonFlags, "plugins" | "arch" | "feature">;

/**
 * `kpkeys budget`: lists the keys and contexts that features need, and how many keys each architecture has left. The code of modules
 * runs in a separate process.
 * @param modules - packages and ES modules with features, next to the bundled ones
 * @param flags - the command line's
 * @returns the exit status: 1 when the features do not fit on an architecture
 * @throws KpkeysError ERR_PLUGIN_LOAD, ERR_PLUGIN_INVALID, ERR_PLUGIN_TIMEOUT
 */
export async function budget(modules: readonly string[], flags: BudgetFlags): Promise<number> {
  const { plugins, arch, feature, timeout, json } = flags;
  const { arches } = await withErrorDocument(json === true, { arches: [] }, async () => {
    const request = { modules, plugins, arch, feature };
    if (modules.length === 0) return { arches: await budgetsOf(request) };
    modules.forEach(pluginPathKind);
    const where = modules.join(", ");
    return (await runApart({ job: "budget", where, budget: request }, timeout)) as { arches: ArchBudget[] };
  });
  printReport(json, { arches }, (style) => budgetTextOf(arches, style));
  return arches.every(({ budget }) => budget?.fits === true) ? EXIT.GOOD : EXIT.FAILED;
}
