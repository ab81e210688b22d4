import {
  Cpus,
  ExtensionPoints,
  Kpkeys,
  KpkeysArch,
  Observer,
  PkeyRegister,
  ProtectedObjects,
  StaticKeys,
} from "../contracts/index.js";
import type { ContextName } from "../contracts/index.js";
import { instanceCachingFactory, lazily, provide, resolve } from "./di.js";
import type { DependencyContainer } from "./di.js";
import { createExtensionPoints } from "./extension-points.js";
import { createKpkeys } from "./kpkeys.js";
import { createProtectedObjects } from "./protected-objects.js";
import { createStaticKeys } from "./static-keys.js";

/**
 * Registers the framework in a machine's container: {@link Kpkeys}, {@link StaticKeys}, {@link ExtensionPoints} and
 * {@link ProtectedObjects}. To be done before plugins are set up; what the architecture implements is asked for later. An {@link Observer} that is to be told of contexts must be
 * there before the first of them asks for {@link Kpkeys}.
 *
 * @param container - a fresh container
 */
export function registerFramework(container: DependencyContainer): void {
  provide(container, StaticKeys, createStaticKeys());
  provide(container, ExtensionPoints, createExtensionPoints());
  provide(container, ProtectedObjects, createProtectedObjects());
  container.register(Kpkeys, {
    useFactory: instanceCachingFactory(() =>
      createKpkeys(lazily(container, KpkeysArch), resolve(container, PkeyRegister), contextListener(container)),
    ),
  });
}

/** Tells the machine's observer of contexts; `undefined` where nobody wants to know, so that nothing is asked on the way. */
function contextListener(container: DependencyContainer): ((context: ContextName | undefined) => void) | undefined {
  const observer = container.isRegistered(Observer, true) ? resolve(container, Observer) : undefined;
  if (observer?.context === undefined) return undefined;
  const cpus = lazily(container, Cpus);
  return (context) => {
    observer.context?.(cpus().current.id, context);
  };
}
