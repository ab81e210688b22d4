import type { Plugin } from "@kpkeys/core/contracts";

/** The default export of `kpkeys.config.js`, `.mjs` and `.ts`. `kpkeys.config.json` has the same form, but no plugin objects. */
export interface KpkeysConfig {
  /**
   * The plugins that the command loads in addition to the bundled ones: names of packages, paths of packages or ES modules relative to the
   * file, or plugin objects.
   */
  readonly plugins: readonly (string | Plugin)[];
}

/**
 * Returns a configuration unchanged, so that editors and the compiler check its type.
 * @param config - the configuration
 * @returns the configuration
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
