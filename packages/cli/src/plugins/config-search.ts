import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Names of configuration files, the one that counts first. */
const NAMES = ["kpkeys.config.js", "kpkeys.config.mjs", "kpkeys.config.ts", "kpkeys.config.json"];

/** What marks the folder in which the search ends. */
const ROOT_MARKS = ["package.json", ".git"];

/**
 * Looks for a configuration file in a folder and in those above, up to the nearest one with a `package.json` or a `.git`.
 * @param folder - the folder, an absolute path
 * @returns its path
 */
export function findConfig(folder: string): string | undefined {
  const found = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  const above = dirname(folder);
  const isRoot = above === folder || ROOT_MARKS.some((name) => existsSync(join(folder, name)));
  return isRoot ? undefined : findConfig(above);
}
