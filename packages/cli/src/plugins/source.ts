import { realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { KpkeysError, quote } from "@kpkeys/core";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { pluginPathKind } from "../check-plugin/path.js";
import { BUNDLED } from "./registry.js";

/** The location of plugins that the user named. Plain data. */
export interface PluginSource {
  /** The name that the user gave, for messages. */
  readonly where: string;
  /** The URL of the module that exports them. */
  readonly module: string;
}

/** A package name that npm accepts: `name`, `@scope/name`. */
const PACKAGE = /^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*$/;

/**
 * Finds a plugin that the user named.
 * @param spec - the name of a package, or the path of a package's folder or of an ES module; a path that could be a name starts with
 * `./`
 * @param folder - the folder that paths are relative to and packages are looked up from
 * @returns its module, which is not loaded
 * @throws KpkeysError ERR_PLUGIN_MISSING for a package that is not installed; ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_PLUGIN_INVALID for
 * a path that is neither a package nor a module
 */
export function findPlugin(spec: string, folder: string): PluginSource {
  if (BUNDLED.some(({ module }) => module === spec)) return { where: spec, module: spec };
  const path = PACKAGE.test(spec) && !isAbsolute(spec) ? folderOf(spec, folder) : resolve(folder, spec);
  const module = pluginPathKind(path) === "folder" ? readPackage(path).entry : path;
  // Node resolves symbolic links: a plugin named by its link and by its path is the same.
  return { where: spec, module: pathToFileURL(realpathSync(module)).href };
}

/** The folder of an installed package, by Node's lookup. */
function folderOf(name: string, folder: string): string {
  const found = createRequire(join(folder, "-"))
    .resolve.paths(name)
    // Node has no folders for its own modules, such as fs.
    ?.map((modules) => join(modules, name))
    .find((path) => statSync(join(path, "package.json"), { throwIfNoEntry: false }) !== undefined);
  if (found !== undefined) return found;
  throw new KpkeysError(
    "ERR_PLUGIN_MISSING",
    `the package ${quote(name)} is not installed in ${folder} or a folder above`,
    {
      where: name,
      expected: `an installed package, or a path such as ./${name}`,
    },
  );
}
