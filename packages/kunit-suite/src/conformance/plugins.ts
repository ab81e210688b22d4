import type { Plugin } from "@kpkeys/core/contracts";

/**
 * Plugins with all that they depend on, each once and after its dependencies.
 *
 * @param plugins - the plugins
 */
export function withDependencies(plugins: readonly Plugin[]): readonly Plugin[] {
  const ordered: Plugin[] = [];
  function place(plugin: Plugin): void {
    if (ordered.includes(plugin)) return;
    for (const dependency of plugin.dependencies ?? []) place(dependency);
    ordered.push(plugin);
  }
  plugins.forEach(place);
  return ordered;
}
