import type { Plugin, PluginOptions } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { checkSingleCopy } from "../copies.js";
import { readConfig, resolveConfig } from "./config.js";
import type { DependencyContainer } from "../di.js";
import { checkPluginForm } from "./plugin-form.js";
import { PluginInSetUp } from "./plugin-in-set-up.js";

/** The plugins of a machine. */
export interface MachinePlugins {
  /** In the order of their set-up: the architecture, then the features, each after its dependencies. */
  readonly plugins: readonly Plugin[];
  /** Config symbols that are on, without their `CONFIG_`. */
  readonly config: ReadonlySet<string>;
}

/** The plugins from which machines are built. */
export interface PluginRegistry {
  /** All plugins, in the order of their registration. */
  readonly plugins: readonly Plugin[];
  /**
   * Registers a plugin.
   * @param plugin - the export of a package; its dependencies are registered already
   * @throws KpkeysError ERR_CORE_DUPLICATE, ERR_PLUGIN_INVALID, ERR_PLUGIN_CONTRACT, ERR_PLUGIN_DUPLICATE,
   *   ERR_PLUGIN_DEPENDENCY
   */
  register(plugin: Plugin): void;
  /**
   * Sets up the plugins of one machine in its container, each after its dependencies.
   * @param container - the machine's container, in which the framework is registered
   * @param arch - id of the architecture
   * @param features - ids of the features, in the order in which their handlers run
   * @param options - options by plugin id; a plugin that is not named gets none
   * @param config - `.config` lines; none if left out
   * @returns the plugins of the machine
   * @throws KpkeysError ERR_PLUGIN_ARCH, ERR_PLUGIN_DEPENDENCY, ERR_CONFIG_LINE, ERR_CONFIG_DEPENDS, ERR_SPEC, and errors of the plugins
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
 * @param plugins - plugins to register, in this order
 * @returns the registry
 * @throws KpkeysError as {@link PluginRegistry.register}
 */
export function createPluginRegistry(plugins: Iterable<Plugin> = []): PluginRegistry {
  const byId = new Map<string, Plugin>();
  const registered: Plugin[] = [];

  function register(plugin: Plugin): void {
    checkSingleCopy();
    checkPluginForm(plugin);
    if (byId.has(plugin.id)) {
      throw new KpkeysError("ERR_PLUGIN_DUPLICATE", "cannot register it: another plugin has the same id", {
        where: `plugin '${plugin.id}'`,
        advice: "register each plugin once, with its own id",
      });
    }
    rejectCircle(plugin, []);
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
      throw new KpkeysError("ERR_PLUGIN_ARCH", `unknown architecture '${archId}'`, {
        expected: `one of: ${idsOf("arch")}`,
      });
    }
    const features = featureIds.map((id) => {
      const feature = find(id, "feature");
      if (feature !== undefined) return feature;
      if (byId.has(id)) {
        throw new KpkeysError(
          "ERR_PLUGIN_ARCH",
          `cannot add '${id}' to a machine with '${archId}': it is a second architecture`,
          {
            advice: "name one architecture, and features only after it",
          },
        );
      }
      throw new KpkeysError("ERR_SPEC", `unknown feature '${id}'`, { expected: `one of: ${idsOf("feature")}` });
    });
    if (new Set(features).size < features.length) {
      throw new KpkeysError("ERR_SPEC", `a feature occurs twice in ${featureIds.join(", ")}`, {
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
          expected: `options for ${ordered.map((plugin) => plugin.id).join(" or ")}`,
        });
      }
      const config = resolveConfig(ordered, readConfig(lines));
      for (const plugin of ordered) setUpOne(plugin, container, options[plugin.id] ?? {});
      return { plugins: ordered, config };
    },
  };
}

/** Moves dependencies to the front; otherwise keeps the order. */
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

function rejectCircle(plugin: Plugin, path: readonly Plugin[]): void {
  if (path.includes(plugin)) {
    const circle = [...path.slice(path.indexOf(plugin)), plugin].map((each) => each.id).join(" -> ");
    throw new KpkeysError("ERR_PLUGIN_DEPENDENCY", `it depends on itself: ${circle}`, {
      where: `plugin '${plugin.id}'`,
      expected: "dependencies without a circle",
    });
  }
  for (const dependency of plugin.dependencies ?? []) {
    checkPluginForm(dependency);
    rejectCircle(dependency, [...path, plugin]);
  }
}

function missing(plugin: Plugin, dependency: Plugin, why: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_DEPENDENCY", `it depends on '${dependency.id}'${why}`, {
    where: `plugin '${plugin.id}'`,
    expected,
  });
}

function setUpOne(plugin: Plugin, container: DependencyContainer, options: PluginOptions): void {
  const inSetUp = container.resolve(PluginInSetUp);
  inSetUp.id = plugin.id;
  try {
    // setup() returns nothing by contract; a plugin in JavaScript may return a promise.
    const setup: (container: DependencyContainer, options: PluginOptions) => unknown = plugin.setup.bind(plugin);
    const result = setup(container, options);
    if (result instanceof Promise) throw asyncSetup(result);
  } catch (cause) {
    if (cause instanceof KpkeysError && cause.where !== undefined) throw cause;
    if (cause instanceof KpkeysError)
      throw new KpkeysError(cause.code, cause.message, { where: `plugin '${plugin.id}'`, cause });
    throw new KpkeysError(
      "ERR_PLUGIN_INVALID",
      `its setup failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        where: `plugin '${plugin.id}'`,
        expected: "a setup() that registers the plugin's services, or a KpkeysError",
        cause,
      },
    );
  } finally {
    inSetUp.id = undefined;
  }
}

/** Ignores a later rejection of the promise, which would end the process. */
function asyncSetup(result: Promise<unknown>): KpkeysError {
  result.catch(() => undefined);
  return new KpkeysError("ERR_PLUGIN_INVALID", "its setup returns a promise", {
    expected: "a setup() that is complete when it returns",
  });
}
