import type { Plugin } from "@kpkeys/core/contracts";

/**
 * Adds the dependencies of plugins.
 *
 * @param plugins - the plugins
 * @returns each plugin once, after its dependencies
 */
export function withDependencies(plugins: readonly Plugin[]): readonly Plugin[] {
  const ordered = new Set<Plugin>();
  function add(plugin: Plugin): void {
    plugin.dependencies?.forEach(add);
    ordered.add(plugin);
  }
  plugins.forEach(add);
  return [...ordered];
}
