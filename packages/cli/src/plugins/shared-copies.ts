import * as nodeModule from "node:module";
import { pathToFileURL } from "node:url";
import { PLUGIN_HOOKS } from "../package-files.js";

/** Since Node 22.15; the types are those of Node 20. */
const { registerHooks } = nodeModule as { registerHooks?: (hooks: object) => void };

let isShared = false;

/**
 * Installs hooks for all later imports of this thread. Plugins then use the command's copies of `@kpkeys/core` and of the other packages
 * of the project, because two copies of core in one process do not recognise each other's objects. The hooks also load TypeScript.
 */
export async function shareCopies(): Promise<void> {
  if (isShared) return;
  isShared = true;
  if (registerHooks === undefined) nodeModule.register(pathToFileURL(PLUGIN_HOOKS));
  else registerHooks(await import("../plugin-hooks.js"));
}
