import type { DependencyContainer } from "tsyringe";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The version of the contracts in this package. It increases with each change that plugins must follow. A plugin gives the version that
 * it was written against as a literal. With this constant instead, it would match every version.
 */
export const CONTRACT_VERSION = 2;

/** Options of a plugin: plain JSON, from the machine's specification. */
export type PluginOptions = Readonly<Record<string, unknown>>;

/** A config symbol with its dependencies: Kconfig's `depends on` and `select`. */
export interface ConfigSymbol {
  /** The symbol without `CONFIG_`: `KPKEYS_HARDENED_PGTABLES`. */
  readonly symbol: string;
  /** Symbols that must be on for it. */
  readonly dependsOn?: readonly string[];
  /** Symbols that it turns on. */
  readonly selects?: readonly string[];
  /**
   * The symbol whose value is its default: Kconfig's `default`. If left out, it is on with its plugin. With its own name, it is off unless
   * a line or another symbol turns it on.
   */
  readonly default?: string;
}

/** The config symbols that are on in a machine, without `CONFIG_`. */
export type KernelConfig = ReadonlySet<string>;

/** Token of {@link KernelConfig}. */
export const KernelConfig: Token<KernelConfig> = token("KernelConfig");

/** The member of a booted machine that {@link Plugin.exercise} uses. */
export interface ExercisedMachine {
  /**
   * A contract of the machine.
   * @param token - the contract's token
   * @throws KpkeysError ERR_CONTRACT_MISSING
   */
  get<T>(token: Token<T>): T;
}

/** An architecture or a feature: the export of its package. */
export interface Plugin {
  /** Its id: `arm64-poe`, `pgtables`. Lower case letters, digits and hyphens. */
  readonly id: string;
  /** Its kind. */
  readonly kind: "arch" | "feature";
  /** One line for `--help` and reports. */
  readonly description: string;
  /** The {@link CONTRACT_VERSION} that it was written against, as a literal: `2`. */
  readonly contract: typeof CONTRACT_VERSION;
  /** Plugins that it depends on, by reference. They are set up before it. */
  readonly dependencies?: readonly Plugin[];
  /** Its config symbols. */
  readonly config?: readonly ConfigSymbol[];
  /**
   * Registers its services and attaches handlers to extension points. Called once for each machine; all state must be in the container.
   * @param container - the machine's container
   * @param options - the plugin's options
   * @throws KpkeysError ERR_SPEC for an unknown option
   */
  setup(container: DependencyContainer, options: PluginOptions): void;
  /**
   * Calls the operations that make the feature's objects and write them, as the rest of the kernel does. Features only. The conformance
   * kit calls it on a booted machine, with and without kernel pkeys, before it judges the objects. Leave it out if the objects exist after
   * boot or if the feature protects page tables.
   * @param machine - a booted machine with the feature and its dependencies
   */
  exercise?(machine: ExercisedMachine): void;
}
