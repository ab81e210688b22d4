import { runApart } from "../check-plugin/apart.js";
import { pluginPathKind } from "../check-plugin/path.js";
import { EXIT } from "../errors.js";
import { findPlugins } from "../plugins/flags.js";
import type { NamingFlags } from "../plugins/flags.js";
import { checkPluginTextOf } from "../report/check-plugin.js";
import type { CheckPluginReport } from "../report/check-plugin.js";
import { printReport, withErrorDocument } from "./print.js";

/** The flags of commands that run the code of packages. */
export interface PluginFlags extends NamingFlags {
  /** Time limit of the package's code in seconds, 1 or more. */
  readonly timeout: number;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/**
 * `kpkeys check-plugin`: runs the conformance kit on the plugins of a package, in a separate process.
 * @param path - the folder of a package, or an ES module
 * @param flags - the command line's
 * @returns the exit status: 1 when a rule failed or had nothing to judge
 * @throws KpkeysError ERR_PLUGIN_LOAD, ERR_PLUGIN_INVALID, ERR_PLUGIN_TIMEOUT, ERR_INPUT_MISSING, ERR_INPUT_KIND
 */
export async function checkPlugin(path: string, flags: PluginFlags): Promise<number> {
  const { timeout, json } = flags;
  const report = await withErrorDocument(json === true, { path, package: null, plugins: [] }, async () => {
    pluginPathKind(path);
    return (await runApart(
      { job: "judge", where: path, path, others: await findPlugins(flags) },
      timeout,
    )) as CheckPluginReport;
  });
  printReport(json, report, (style) => checkPluginTextOf(report, style));
  return report.plugins.some(({ counts }) => counts.failed + counts["not judged"] > 0) ? EXIT.FAILED : EXIT.GOOD;
}
