import { realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { KpkeysError, quote } from "@kpkeys/core";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { pluginPathKind } from "../check-plugin/path.js";
import { BUNDLED } from "./registry.js";

/** Where plugins are that the user named: plain data. */
export interface PluginSource {
  /** As the user named it, for messages. */
  readonly where: string;
  /** The URL of the module that exports them. */
  readonly module: string;
}

/** The name of a package as npm allows it: `name`, `@scope/name`. */
const PACKAGE = /^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*$/;

/**
 * Finds a plugin that the user named.
 * @param spec - the name of a package, or the path of a package's folder or of an ES module; a path that could be a name begins with
 * `./`
 * @param folder - the folder from which paths are relative and packages are looked up
 * @returns its module, of which nothing is loaded
 * @throws KpkeysError ERR_PLUGIN_MISSING for a package that is not installed; ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_PLUGIN_INVALID for
 * what is no package and no module
 */
export function findPlugin(spec: string, folder: string): PluginSource {
  if (BUNDLED.some(({ module }) => module === spec)) return { where: spec, module: spec };
  const path = PACKAGE.test(spec) && !isAbsolute(spec) ? folderOf(spec, folder) : resolve(folder, spec);
  const module = pluginPathKind(path) === "folder" ? readPackage(path).entry : path;
  // Node loads the file that a link leads to: a plugin that is named both ways is one.
  return { where: spec, module: pathToFileURL(realpathSync(module)).href };
}

/** The folder of an installed package, looked up as Node does. */
function folderOf(name: string, folder: string): string {
  const found = createRequire(join(folder, "-"))
    .resolve.paths(name)!
    .map((modules) => join(modules, name))
    .find((path) => statSync(join(path, "package.json"), { throwIfNoEntry: false }) !== undefined);
  if (found !== undefined) return found;
  throw new KpkeysError("ERR_PLUGIN_MISSING", `no package ${quote(name)} is installed, looked up from ${folder}`, {
    where: name,
    expected: `the name of a package in a node_modules folder there or above, or a path such as ./${name}`,
  });
}
