import type { Plugin } from "@kpkeys/core/contracts";

/** What `kpkeys.config.js`, `.mjs` and `.ts` export by default. `kpkeys.config.json` is the same without plugins as objects. */
export interface KpkeysConfig {
  /**
   * The plugins that the command loads besides its own: names of packages, paths of packages or ES modules relative to the file, or
   * plugins.
   */
  readonly plugins: readonly (string | Plugin)[];
}

/**
 * Gives a configuration its type.
 * @param config - the configuration
 * @returns the same
 *
 * @example
 * ```js
 * import { defineConfig } from "kpkeys";
 *
 * export default defineConfig({ plugins: ["./packages/file-operations", "kpkeys-jit-images"] });
 * ```
 */
export function defineConfig(config: KpkeysConfig): KpkeysConfig {
  return config;
}
