import { Kpkeys, PkeyRegister } from "../contracts/index.js";
import type { PkeyName, Plugin, PluginOptions } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { refuseSecondCopy } from "../copies.js";
import { readConfig, resolveConfig } from "./config.js";
import { resolve } from "../di.js";
import type { DependencyContainer } from "../di.js";
import { checkPluginForm } from "./plugin-form.js";

/** The plugins that a machine was set up with. */
export interface MachinePlugins {
  /** In the order of their set-up: the architecture and then the features, each after what it depends on. */
  readonly plugins: readonly Plugin[];
  /** Config symbols that are on, without their `CONFIG_`. */
  readonly config: ReadonlySet<string>;
  /** Which plugin registered each key, by id. */
  readonly keyOwners: ReadonlyMap<PkeyName, string>;
}

/** The plugins that machines can be made of. */
export interface PluginRegistry {
  /** All plugins registered, in that order. */
  readonly plugins: readonly Plugin[];
  /**
   * Registers a plugin.
   * @param plugin - what a package exports; its dependencies are registered already
   * @throws KpkeysError ERR_CORE_DUPLICATE, ERR_PLUGIN_INVALID, ERR_PLUGIN_CONTRACT, ERR_PLUGIN_DUPLICATE,
   *   ERR_PLUGIN_DEPENDENCY
   */
  register(plugin: Plugin): void;
  /**
   * Sets up the plugins of one machine in its container, each after its dependencies.
   * @param container - the machine's container, in which the framework is registered
   * @param arch - id of the architecture
   * @param features - ids of the features, in the order in which their handlers are to run
   * @param options - options by plugin id; a plugin without gets none
   * @param config - `.config` lines; none if left out
   * @returns what was set up
   * @throws KpkeysError ERR_PLUGIN_ARCH, ERR_PLUGIN_DEPENDENCY, ERR_CONFIG_LINE, ERR_CONFIG_DEPENDS, ERR_SPEC, and what a set-up throws
   */
  setUp(
    container: DependencyContainer,
    arch: string,
    features: readonly string[],
    options?: Readonly<Record<string, PluginOptions>>,
    config?: readonly string[],
  ): MachinePlugins;
}

/**
 * Makes a registry.
 *
 * @param plugins - registered at once, in this order
 * @returns the registry
 * @throws KpkeysError as {@link PluginRegistry.register}
 */
export function createPluginRegistry(plugins: Iterable<Plugin> = []): PluginRegistry {
  const byId = new Map<string, Plugin>();
  const registered: Plugin[] = [];

  function register(plugin: Plugin): void {
    refuseSecondCopy();
    checkPluginForm(plugin);
    if (byId.has(plugin.id)) {
      throw new KpkeysError("ERR_PLUGIN_DUPLICATE", `the id '${plugin.id}' is registered already`, {
        where: `plugin '${plugin.id}'`,
        expected: "each plugin once, with an id of its own",
      });
    }
    refuseCircle(plugin, []);
    for (const dependency of plugin.dependencies ?? []) {
      if (byId.get(dependency.id) === dependency) continue;
      const copy = byId.has(dependency.id) ? ", of which another copy is registered" : ", which is not registered";
      throw missing(plugin, dependency, copy, `'${dependency.id}' registered before it, the same object`);
    }
    byId.set(plugin.id, plugin);
    registered.push(plugin);
  }

  function find(id: string, kind: Plugin["kind"]): Plugin | undefined {
    const plugin = byId.get(id);
    return plugin?.kind === kind ? plugin : undefined;
  }

  function idsOf(kind: Plugin["kind"]): string {
    const ids = registered.filter((plugin) => plugin.kind === kind).map((plugin) => plugin.id);
    return ids.length === 0 ? "none is registered" : ids.join(", ");
  }

  function choose(archId: string, featureIds: readonly string[]): Plugin[] {
    const arch = find(archId, "arch");
    if (arch === undefined) {
      throw new KpkeysError("ERR_PLUGIN_ARCH", `'${archId}' is no architecture`, {
        expected: `one of: ${idsOf("arch")}`,
      });
    }
    const features = featureIds.map((id) => {
      const feature = find(id, "feature");
      if (feature !== undefined) return feature;
      if (byId.has(id)) {
        throw new KpkeysError("ERR_PLUGIN_ARCH", `'${id}' is a second architecture beside '${archId}'`, {
          expected: "exactly one architecture in a machine",
        });
      }
      throw new KpkeysError("ERR_SPEC", `'${id}' is no feature`, { expected: `one of: ${idsOf("feature")}` });
    });
    if (new Set(features).size < features.length) {
      throw new KpkeysError("ERR_SPEC", `a feature is named twice in ${featureIds.join(", ")}`, {
        expected: "each feature once",
      });
    }
    return [arch, ...features];
  }

  for (const plugin of plugins) register(plugin);

  return {
    plugins: registered,
    register,
    setUp(container, arch, features, options = {}, lines = []) {
      const ordered = inOrder(choose(arch, features));
      for (const id of Object.keys(options)) {
        if (ordered.some((plugin) => plugin.id === id)) continue;
        throw new KpkeysError("ERR_SPEC", `options are given for '${id}', which is not in the machine`, {
          expected: `options for ${ordered.map((plugin) => plugin.id).join(", ")} alone`,
        });
      }
      const config = resolveConfig(ordered, readConfig(lines));
      const keyOwners = new Map<PkeyName, string>([["DEFAULT", "kpkeys"]]);
      for (const plugin of ordered) {
        setUpOne(plugin, container, options[plugin.id] ?? {});
        for (const key of keysOf(container)) if (!keyOwners.has(key)) keyOwners.set(key, plugin.id);
      }
      return { plugins: ordered, config, keyOwners };
    },
  };
}

/** Dependencies first, otherwise as given. */
function inOrder(chosen: readonly Plugin[]): Plugin[] {
  const ordered: Plugin[] = [];
  function place(plugin: Plugin): void {
    if (ordered.includes(plugin)) return;
    for (const dependency of plugin.dependencies ?? []) {
      if (!chosen.includes(dependency)) {
        throw missing(plugin, dependency, ", which is not in the machine", `'${dependency.id}' in the machine too`);
      }
      place(dependency);
    }
    ordered.push(plugin);
  }
  chosen.forEach(place);
  return ordered;
}

function refuseCircle(plugin: Plugin, path: readonly Plugin[]): void {
  if (path.includes(plugin)) {
    const circle = [...path.slice(path.indexOf(plugin)), plugin].map((each) => each.id).join(" -> ");
    throw new KpkeysError("ERR_PLUGIN_DEPENDENCY", `it depends on itself: ${circle}`, {
      where: `plugin '${plugin.id}'`,
      expected: "dependencies without a circle",
    });
  }
  for (const dependency of plugin.dependencies ?? []) {
    checkPluginForm(dependency);
    refuseCircle(dependency, [...path, plugin]);
  }
}

function missing(plugin: Plugin, dependency: Plugin, why: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_DEPENDENCY", `it depends on '${dependency.id}'${why}`, {
    where: `plugin '${plugin.id}'`,
    expected,
  });
}

/** The keys registered so far: none before there is a register. */
function keysOf(container: DependencyContainer): Iterable<PkeyName> {
  const known = [Kpkeys, PkeyRegister].every((token) => container.isRegistered(token, true));
  return known ? resolve(container, Kpkeys).pkeyNames.values() : [];
}

function setUpOne(plugin: Plugin, container: DependencyContainer, options: PluginOptions): void {
  try {
    // The contract has no result; a plugin in JavaScript may return one all the same.
    const setup: (container: DependencyContainer, options: PluginOptions) => unknown = plugin.setup.bind(plugin);
    const result = setup(container, options);
    if (result instanceof Promise) throw refuseAsync(result);
  } catch (cause) {
    if (cause instanceof KpkeysError && cause.where !== undefined) throw cause;
    if (cause instanceof KpkeysError)
      throw new KpkeysError(cause.code, cause.message, { where: `plugin '${plugin.id}'`, cause });
    throw new KpkeysError(
      "ERR_PLUGIN_INVALID",
      `its setup failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        where: `plugin '${plugin.id}'`,
        expected: "a setup that registers what it implements, or a KpkeysError",
        cause,
      },
    );
  }
}

/** What it would throw later has no other place to go. */
function refuseAsync(result: Promise<unknown>): KpkeysError {
  result.catch(() => undefined);
  return new KpkeysError("ERR_PLUGIN_INVALID", "its setup returns a promise", {
    expected: "a setup that is done when it returns",
  });
}
