import { ExtensionPoints, Kpkeys, KpkeysArch, PkeyRegister, ProtectedObjects, StaticKeys } from "../contracts/index.js";
import { instanceCachingFactory, lazily, provide, resolve } from "./di.js";
import type { DependencyContainer } from "./di.js";
import { createExtensionPoints } from "./extension-points.js";
import { createKpkeys } from "./kpkeys.js";
import { createProtectedObjects } from "./protected-objects.js";
import { createStaticKeys } from "./static-keys.js";

/**
 * Registers the framework in a machine's container: {@link Kpkeys}, {@link StaticKeys}, {@link ExtensionPoints} and
 * {@link ProtectedObjects}. To be done before plugins are set up; what the architecture implements is asked for later.
 *
 * @param container - a fresh container
 */
export function registerFramework(container: DependencyContainer): void {
  provide(container, StaticKeys, createStaticKeys());
  provide(container, ExtensionPoints, createExtensionPoints());
  provide(container, ProtectedObjects, createProtectedObjects());
  container.register(Kpkeys, {
    useFactory: instanceCachingFactory(() =>
      createKpkeys(lazily(container, KpkeysArch), resolve(container, PkeyRegister)),
    ),
  });
}
