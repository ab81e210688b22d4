import type { DependencyContainer } from "tsyringe";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The version of the contracts in this package, which grows with each change that plugins must follow. A plugin carries the number
 * that it was written against as a literal: with this constant it would agree with every version.
 */
export const CONTRACT_VERSION = 2;

/** Options of a plugin: plain JSON, from the machine's specification. */
export type PluginOptions = Readonly<Record<string, unknown>>;

/** What a config symbol needs: Kconfig's `depends on` and `select`. */
export interface ConfigSymbol {
  /** The symbol without its `CONFIG_`: `KPKEYS_HARDENED_PGTABLES`. */
  readonly symbol: string;
  /** Symbols that must be on for it. */
  readonly dependsOn?: readonly string[];
  /** Symbols that it turns on. */
  readonly selects?: readonly string[];
  /**
   * The symbol whose value it has unless the config says otherwise: Kconfig's `default`. Left out, it is on with its plugin; its own
   * name means off unless something turns it on.
   */
  readonly default?: string;
}

/** The config symbols that are on in a machine, without their `CONFIG_`. */
export type KernelConfig = ReadonlySet<string>;

/** Token of {@link KernelConfig}. */
export const KernelConfig: Token<KernelConfig> = token("KernelConfig");

/** An architecture or a feature, as a package exports it. */
export interface Plugin {
  /** Its id: `arm64-poe`, `pgtables`. Lower case letters, digits and hyphens. */
  readonly id: string;
  /** What it is. */
  readonly kind: "arch" | "feature";
  /** One line for `--help` and reports. */
  readonly description: string;
  /** The {@link CONTRACT_VERSION} that it was written against, as a literal: `2`. */
  readonly contract: typeof CONTRACT_VERSION;
  /** Plugins that must be there, by reference; they are set up before. */
  readonly dependencies?: readonly Plugin[];
  /** Config symbols that come with it. */
  readonly config?: readonly ConfigSymbol[];
  /**
   * Registers what it implements and attaches itself to extension points. Called once for each machine, with a container of
   * the machine's own; nothing may be kept outside it.
   * @param container - the machine's container
   * @param options - the plugin's own options
   * @throws KpkeysError ERR_SPEC for an option that it does not know
   */
  setup(container: DependencyContainer, options: PluginOptions): void;
}
