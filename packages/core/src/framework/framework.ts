import {
  Cpus,
  ExtensionPoints,
  Kpkeys,
  KpkeysArch,
  Observers,
  ProtectedObjects,
  StaticKeys,
} from "../contracts/index.js";
import { ObserverList } from "../observers.js";
import { ContextSwitch } from "./context-switch.js";
import { lazily, provideClass, resolve } from "../di.js";
import type { DependencyContainer } from "../di.js";
import { ExtensionPointTable } from "./extension-points.js";
import { KpkeysApi } from "./kpkeys.js";
import { once } from "../once.js";
import { PluginInSetUp } from "./plugin-in-set-up.js";
import { ProtectedObjectList } from "./protected-objects.js";
import { StaticKeyTable } from "./static-keys.js";

/**
 * Registers the framework in a machine's container: {@link Kpkeys}, {@link StaticKeys}, {@link ExtensionPoints},
 * {@link ProtectedObjects} and {@link Observers}. Call it before plugins are set up. The architecture must be registered before
 * {@link Kpkeys} is first resolved.
 *
 * @param container - a fresh container
 */
export function registerFramework(container: DependencyContainer): void {
  provideClass(container, PluginInSetUp, PluginInSetUp);
  provideClass(container, StaticKeys, StaticKeyTable);
  provideClass(container, ExtensionPoints, ExtensionPointTable);
  provideClass(container, ProtectedObjects, ProtectedObjectList);
  provideClass(container, Observers, ObserverList);
  const contextSwitch = once(
    () => new ContextSwitch(resolve(container, KpkeysArch), resolve(container, Observers), lazily(container, Cpus)),
  );
  container.register(ContextSwitch, { useFactory: contextSwitch });
  provideClass(container, Kpkeys, KpkeysApi);
}
