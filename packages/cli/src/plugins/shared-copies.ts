import * as nodeModule from "node:module";
import { pathToFileURL } from "node:url";
import { PLUGIN_HOOKS } from "../package-files.js";

/** Since Node 22.15; the types are those of Node 20. */
const { registerHooks } = nodeModule as { registerHooks?: (hooks: object) => void };

let isShared = false;

/**
 * From now on, plugins that this thread imports get the command's copies of `@kpkeys/core` and of the other packages of the project,
 * wherever either is installed: two copies of core in one process do not know each other's objects. TypeScript can be imported too.
 */
export async function shareCopies(): Promise<void> {
  if (isShared) return;
  isShared = true;
  if (registerHooks === undefined) nodeModule.register(pathToFileURL(PLUGIN_HOOKS));
  else registerHooks(await import("../plugin-hooks.js"));
}
