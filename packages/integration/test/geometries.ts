import { ARM64_GEOMETRIES, arm64Poe } from "@kpkeys/arch-arm64-poe";
import { X86_GEOMETRIES, x86Pks } from "@kpkeys/arch-x86-pks";
import type { Geometry, Plugin, PluginOptions } from "@kpkeys/core/contracts";

/** An architecture with one of its shapes of tables. */
export interface GeometryCase {
  /** `arm64 16k/52`, `x86 5 levels`. */
  readonly name: string;
  /** The architecture, whose options choose the shape unless they are given. */
  readonly plugin: Plugin;
  /** Those options. */
  readonly options: PluginOptions;
  /** The shape. */
  readonly geometry: Geometry;
}

function withOptions(plugin: Plugin, chosen: PluginOptions): Plugin {
  return {
    ...plugin,
    setup(container, options) {
      plugin.setup(container, { ...chosen, ...options });
    },
  };
}

/** Every architecture with every shape. */
export const GEOMETRY_CASES: readonly GeometryCase[] = [
  ...ARM64_GEOMETRIES.map((geometry) => {
    const options = { pageSize: 2 ** geometry.pageShift, vaBits: geometry.addressBits };
    const name = `arm64 ${options.pageSize / 1024}k/${options.vaBits}`;
    return { name, plugin: withOptions(arm64Poe, options), options, geometry };
  }),
  ...X86_GEOMETRIES.map((geometry) => {
    const options = { levels: geometry.levels.length };
    return { name: `x86 ${options.levels} levels`, plugin: withOptions(x86Pks, options), options, geometry };
  }),
];
