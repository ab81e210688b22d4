import { checkPluginForm, pluginsOf } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "./package-files.js";
import type { ConformanceSubject, ReportFinding } from "./rule.js";

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

/** Rules about imports need the files of the package. */
export const needsFiles = ({ files }: ConformanceSubject): string | undefined =>
  files === undefined ? "the files of its package were not passed" : undefined;

/**
 * Checks the imports and dependencies of a package: it imports no other modules of core than the allowed ones, and no package
 * that exports a plugin of a forbidden kind.
 *
 * @param files - the package
 * @param core - the modules of core that it may import
 * @param forbidden - the kinds of plugins that it must not import
 * @param report - receives the findings
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
      const subject = importers.length > 0 ? `${importers.join(", ")} imports` : "package.json depends on";
      report(`${subject} ${name}, which is ${kind === "arch" ? "an architecture" : "a feature"}`);
    }
  }
}

/** The kinds of plugins that a package exports: none if the package cannot be loaded. */
async function kindsOf(files: PackageFiles, name: string): Promise<readonly Plugin["kind"][]> {
  try {
    return pluginsOf(await files.load(name)).map(({ kind }) => kind);
  } catch {
    return [];
  }
}

/**
 * Checks the fields of a plugin as the plugin host does.
 *
 * @param plugin - the plugin
 * @param report - receives the findings
 */
export function checkForm(plugin: unknown, report: ReportFinding): void {
  try {
    checkPluginForm(plugin);
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
}
