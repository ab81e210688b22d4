import type { ConfigSymbol, Plugin } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * The config symbols that are on in a machine of some plugins: their own, and what those select, to any depth.
 *
 * @param plugins - all plugins of the machine
 * @returns symbols without their `CONFIG_`
 * @throws KpkeysError ERR_CONFIG_DEPENDS when a symbol of a plugin depends on one that is off
 */
export function resolveConfig(plugins: readonly Plugin[]): ReadonlySet<string> {
  const known = new Map<string, ConfigSymbol>();
  for (const plugin of plugins) for (const config of plugin.config ?? []) known.set(config.symbol, config);

  const on = new Set<string>();
  function turnOn(symbol: string): void {
    if (on.has(symbol)) return;
    on.add(symbol);
    known.get(symbol)?.selects?.forEach(turnOn);
  }
  for (const symbol of known.keys()) turnOn(symbol);

  for (const plugin of plugins) {
    for (const { symbol, dependsOn = [] } of plugin.config ?? []) {
      const off = dependsOn.filter((dependency) => !on.has(dependency));
      if (off.length === 0) continue;
      throw new KpkeysError("ERR_CONFIG_DEPENDS", `CONFIG_${symbol} depends on ${off.join(" and ")}, which is off`, {
        where: `plugin '${plugin.id}'`,
        expected: "an architecture or feature that selects it",
      });
    }
  }
  return on;
}
