import { statSync } from "node:fs";
import { inputFailure, KpkeysError } from "@kpkeys/core";

const EXPECTED = "the folder of a package, or an ES module";

/**
 * Checks a path of a plugin before any code is loaded from it.
 * @param path - a path of the command line
 * @returns whether it names the folder of a package or an ES module
 * @throws KpkeysError ERR_INPUT_MISSING for a path that does not exist, ERR_INPUT_KIND for a device or a pipe
 */
export function pluginPathKind(path: string): "folder" | "module" {
  let stats;
  try {
    stats = statSync(path);
  } catch (cause) {
    throw inputFailure(path, cause, EXPECTED);
  }
  if (stats.isDirectory()) return "folder";
  if (stats.isFile()) return "module";
  throw new KpkeysError("ERR_INPUT_KIND", "this is a device or a pipe", { where: path, expected: EXPECTED });
}
