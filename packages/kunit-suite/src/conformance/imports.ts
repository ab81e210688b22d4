import { checkPluginForm, pluginsOf } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "./package-files.js";
import type { ReportFinding } from "./rule.js";

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

/**
 * Judges what a package imports and depends on: core's modules that it may know, and no package that exports a plugin of a kind
 * that it may not know.
 *
 * @param files - the package
 * @param core - core's modules that it may import
 * @param forbidden - kinds of plugins that it may not import
 * @param report - takes what is wrong
 */
export async function checkImports(
  files: PackageFiles,
  core: readonly string[],
  forbidden: readonly Plugin["kind"][],
  report: ReportFinding,
): Promise<void> {
  for (const { file, specifier } of files.imports) {
    const name = packageOf(specifier);
    if (name === "@kpkeys/core" ? !core.includes(specifier) : name.startsWith("@kpkeys/kernel")) {
      report(`${file} imports ${specifier}; expected of @kpkeys/core: ${core.join(", ")}`);
    }
  }
  const others = new Set([...files.imports.map(({ specifier }) => packageOf(specifier)), ...files.dependencies]);
  for (const name of others) {
    if (name === "@kpkeys/core" || name === files.name) continue;
    const kinds = await kindsOf(files, name);
    for (const kind of forbidden.filter((each) => kinds.includes(each))) {
      const importers = files.imports.filter(({ specifier }) => packageOf(specifier) === name).map(({ file }) => file);
      const who = importers.length > 0 ? `${importers.join(", ")} imports` : "package.json depends on";
      report(`${who} ${name}, which is ${kind === "arch" ? "an architecture" : "a feature"}`);
    }
  }
}

/** The kinds of plugins that a package exports: none if it cannot be loaded from where the importer lies. */
async function kindsOf(files: PackageFiles, name: string): Promise<readonly Plugin["kind"][]> {
  try {
    return pluginsOf(await files.load(name)).map(({ kind }) => kind);
  } catch {
    return [];
  }
}

/**
 * Whether a plugin has the form that the plugin host takes.
 *
 * @param plugin - the plugin
 * @param report - takes what is wrong
 */
export function checkForm(plugin: unknown, report: ReportFinding): void {
  try {
    checkPluginForm(plugin);
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
}
