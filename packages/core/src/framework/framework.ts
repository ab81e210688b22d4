import {
  Cpus,
  ExtensionPoints,
  Kpkeys,
  KpkeysArch,
  Observer,
  ProtectedObjects,
  StaticKeys,
} from "../contracts/index.js";
import type { ContextName } from "../contracts/index.js";
import { ContextSwitch } from "./context-switch.js";
import { lazily, provideClass, resolve } from "./di.js";
import type { DependencyContainer } from "./di.js";
import { ExtensionPointTable } from "./extension-points.js";
import { KpkeysApi } from "./kpkeys.js";
import { once } from "./once.js";
import { ProtectedObjectList } from "./protected-objects.js";
import { StaticKeyTable } from "./static-keys.js";

/**
 * Registers the framework in a machine's container: {@link Kpkeys}, {@link StaticKeys}, {@link ExtensionPoints} and
 * {@link ProtectedObjects}. Call it before plugins are set up. The architecture, and an {@link Observer} of contexts, must be
 * registered before {@link Kpkeys} is first resolved.
 *
 * @param container - a fresh container
 */
export function registerFramework(container: DependencyContainer): void {
  provideClass(container, StaticKeys, StaticKeyTable);
  provideClass(container, ExtensionPoints, ExtensionPointTable);
  provideClass(container, ProtectedObjects, ProtectedObjectList);
  const contextSwitch = once(() => new ContextSwitch(resolve(container, KpkeysArch), contextListener(container)));
  container.register(ContextSwitch, { useFactory: contextSwitch });
  provideClass(container, Kpkeys, KpkeysApi);
}

/** Notifies the machine's observer of contexts; `undefined` without one. */
function contextListener(container: DependencyContainer): ((context: ContextName | undefined) => void) | undefined {
  const observer = container.isRegistered(Observer, true) ? resolve(container, Observer) : undefined;
  if (observer?.context === undefined) return undefined;
  const cpus = lazily(container, Cpus);
  return (context) => {
    observer.context?.(cpus().current.id, context);
  };
}
