import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Names of configuration files, by precedence. */
const NAMES = ["kpkeys.config.js", "kpkeys.config.mjs", "kpkeys.config.ts", "kpkeys.config.json"];

/** Entries of the folder in which the search ends. */
const ROOT_MARKS = ["package.json", ".git"];

/**
 * Finds the configuration file in a folder or a parent folder, up to the nearest one with a `package.json` or a `.git`.
 * @param folder - an absolute path
 * @returns the path of the file; undefined if there is none
 */
export function findConfig(folder: string): string | undefined {
  const found = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  const above = dirname(folder);
  const isRoot = above === folder || ROOT_MARKS.some((name) => existsSync(join(folder, name)));
  return isRoot ? undefined : findConfig(above);
}
