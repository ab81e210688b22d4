import { createContainer, createPluginRegistry, provide, registerFramework } from "../../src/index.js";
import type { DependencyContainer } from "../../src/index.js";
import { KpkeysArch, PkeyRegister } from "../../src/contracts/index.js";
import type { Plugin, PluginOptions } from "../../src/contracts/index.js";
import { createTinyArch, GRANTING } from "./tiny-arch.js";
import type { TinyArch } from "./tiny-arch.js";

/** The architecture of a tiny machine. */
interface TinyMachineOptions {
  /** The register, `createTinyArch()` if left out. */
  readonly arch?: TinyArch;
  /** Config symbols that the architecture selects, all that features need if left out. */
  readonly selects?: readonly string[];
  /** Lines of the kernel's configuration. */
  readonly config?: readonly string[];
  /** Registers further services of the architecture. */
  readonly services?: (container: DependencyContainer) => void;
}

/**
 * Sets up one feature on a tiny architecture, in a container with the framework and no kernel. Nothing is frozen.
 *
 * @param feature - the feature
 * @param options - its options
 * @param machine - the architecture
 */
export function setUpFeature(
  feature: Plugin,
  options: PluginOptions = {},
  {
    arch = createTinyArch(),
    selects = ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"],
    config = [],
    services,
  }: TinyMachineOptions = {},
): DependencyContainer {
  const tiny: Plugin = {
    id: "tiny",
    kind: "arch",
    description: "a register in a variable",
    contract: 2,
    config: [{ symbol: "TINY", selects }],
    setup(container) {
      provide(container, PkeyRegister, GRANTING);
      provide(container, KpkeysArch, arch);
      services?.(container);
    },
  };
  const container = createContainer();
  registerFramework(container);
  const registry = createPluginRegistry([tiny, feature]);
  registry.setUp(container, tiny.id, [feature.id], { [feature.id]: options }, config);
  return container;
}
